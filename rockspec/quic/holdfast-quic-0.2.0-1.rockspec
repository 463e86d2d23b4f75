local release = "0.2.0" -- this and the next two from packaging/identity, where it says what is a placeholder
local home = "https://example.invalid/holdfast"
local issues = "https://example.invalid/holdfast/issues"

rockspec_format = "3.0"
package = "holdfast-quic"
version = release .. "-1"

source = {
  url = "git+" .. home .. ".git",
  tag = "v" .. release,
}

description = {
  summary = "MQTT over QUIC for holdfast",
  detailed = [[
    A module that holdfast loads when the first server is one of quic://. It brings ngtcp2 and GnuTLS, which nothing
    else of holdfast needs, and is of use to no other program. Both packages must have one version.
  ]],
  homepage = home,
  issues_url = issues,
  license = "MIT",
  maintainer = "holdfast maintainers",
  labels = { "mqtt", "network", "iot", "quic" },
}

supported_platforms = { "linux" }

dependencies = { "lua >= 5.1", "holdfast == " .. release }

external_dependencies = {
  NGTCP2 = { header = "ngtcp2/ngtcp2.h", library = "ngtcp2" },
  NGTCP2_CRYPTO = { header = "ngtcp2/ngtcp2_crypto_gnutls.h", library = "ngtcp2_crypto_gnutls" },
  GNUTLS = { header = "gnutls/gnutls.h", library = "gnutls" },
}

build = {
  type = "builtin",
  modules = {
    ["holdfast.quic"] = {
      sources = {
        "csrc/core/heap.c",
        "csrc/core/reason.c",
        "csrc/core/step.c",
        "csrc/lua/quic.c",
        "csrc/quic/begin.c",
        "csrc/quic/called.c",
        "csrc/quic/drive.c",
        "csrc/quic/ends.c",
        "csrc/quic/fifo.c",
        "csrc/quic/frames.c",
        "csrc/quic/half.c",
        "csrc/quic/inspect.c",
        "csrc/quic/move.c",
        "csrc/quic/part.c",
        "csrc/quic/resume.c",
        "csrc/quic/socket.c",
        "csrc/quic/stream.c",
        "csrc/quic/ticket.c",
        "csrc/quic/tickets.c",
        "csrc/stream/inspect.c",
        "csrc/sys/clock.c",
        "csrc/sys/loop.c",
        "csrc/sys/pollset.c",
        "csrc/sys/private.c",
        "csrc/sys/tcp_socket.c",
      },
      defines = { "_POSIX_C_SOURCE=200809L", "_FILE_OFFSET_BITS=64", "_TIME_BITS=64" },
      incdirs = { "csrc", "$(NGTCP2_INCDIR)", "$(NGTCP2_CRYPTO_INCDIR)", "$(GNUTLS_INCDIR)" },
      libdirs = { "$(NGTCP2_LIBDIR)", "$(NGTCP2_CRYPTO_LIBDIR)", "$(GNUTLS_LIBDIR)" },
      libraries = { "ngtcp2_crypto_gnutls", "ngtcp2", "gnutls", "pthread", "dl" },
    },
  },
}
