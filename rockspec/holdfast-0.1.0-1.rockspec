rockspec_format = "3.0"
package = "holdfast"
version = "0.1.0-1"

source = {
  url = "git+https://holdfast.example/holdfast.git",
  tag = "v0.1.0",
}

description = {
  summary = "An MQTT client that keeps its connection",
  detailed = [[
    Reconnecting, resubscribing and delivering the queue are done in C on a thread of its own, over Eclipse Paho C;
    Lua sees events and messages in coroutines. MQTT 5 and 3.1.1.
  ]],
  license = "MIT",
  maintainer = "holdfast maintainers",
  labels = { "mqtt", "network", "iot" },
}

supported_platforms = { "linux" }

dependencies = { "lua >= 5.1" }

external_dependencies = {
  PAHO = { header = "MQTTAsync.h", library = "paho-mqtt3as" },
}

build = {
  type = "builtin",
  modules = {
    ["holdfast.core"] = {
      sources = {
        "csrc/core/backoff.c",
        "csrc/core/budget.c",
        "csrc/core/engine.c",
        "csrc/core/heap.c",
        "csrc/core/index.c",
        "csrc/core/line.c",
        "csrc/core/message.c",
        "csrc/core/properties.c",
        "csrc/core/random.c",
        "csrc/core/reason.c",
        "csrc/core/ring.c",
        "csrc/core/subscriptions.c",
        "csrc/core/topic.c",
        "csrc/core/uri.c",
        "csrc/keeper/admission.c",
        "csrc/keeper/answers.c",
        "csrc/keeper/attempt.c",
        "csrc/keeper/client.c",
        "csrc/keeper/commands.c",
        "csrc/keeper/driver.c",
        "csrc/keeper/keeper.c",
        "csrc/keeper/knock.c",
        "csrc/keeper/options.c",
        "csrc/keeper/outbox.c",
        "csrc/keeper/primary.c",
        "csrc/keeper/reference.c",
        "csrc/keeper/resolver.c",
        "csrc/keeper/snapshot.c",
        "csrc/keeper/tell.c",
        "csrc/keeper/thread.c",
        "csrc/keeper/wishes.c",
        "csrc/link/link.c",
        "csrc/link/paho_attempt.c",
        "csrc/link/paho_callbacks.c",
        "csrc/link/paho_end.c",
        "csrc/link/paho_link.c",
        "csrc/link/paho_options.c",
        "csrc/link/paho_properties.c",
        "csrc/link/paho_publish.c",
        "csrc/link/paho_queue.c",
        "csrc/link/paho_quiet.c",
        "csrc/link/paho_request.c",
        "csrc/link/paho_socket.c",
        "csrc/link/paho_store.c",
        "csrc/link/paho_waker.c",
        "csrc/lua/backoff.c",
        "csrc/lua/client.c",
        "csrc/lua/engine.c",
        "csrc/lua/event.c",
        "csrc/lua/mailbox.c",
        "csrc/lua/module.c",
        "csrc/lua/properties.c",
        "csrc/lua/pure_options.c",
        "csrc/lua/reason.c",
        "csrc/lua/settings.c",
        "csrc/lua/status.c",
        "csrc/lua/topic.c",
        "csrc/sys/clock.c",
        "csrc/sys/entropy.c",
        "csrc/sys/mailbox.c",
        "csrc/sys/netlink.c",
        "csrc/sys/thread.c",
        "csrc/sys/wakeup.c",
      },
      defines = { "_POSIX_C_SOURCE=200809L" },
      incdirs = { "csrc", "$(PAHO_INCDIR)" },
      libdirs = { "$(PAHO_LIBDIR)" },
      libraries = { "paho-mqtt3as", "pthread" },
    },
    ["holdfast.backoff"] = "lua/holdfast/backoff.lua",
    ["holdfast.buffer"] = "lua/holdfast/buffer.lua",
    ["holdfast.check"] = "lua/holdfast/check.lua",
    ["holdfast.client"] = "lua/holdfast/client.lua",
    ["holdfast.delivery"] = "lua/holdfast/delivery.lua",
    ["holdfast.engine"] = "lua/holdfast/engine.lua",
    ["holdfast.events"] = "lua/holdfast/events.lua",
    ["holdfast"] = "lua/holdfast/init.lua",
    ["holdfast.listening"] = "lua/holdfast/listening.lua",
    ["holdfast.log"] = "lua/holdfast/log.lua",
    ["holdfast.loop.builtin"] = "lua/holdfast/loop/builtin.lua",
    ["holdfast.loop.heap"] = "lua/holdfast/loop/heap.lua",
    ["holdfast.loop"] = "lua/holdfast/loop/init.lua",
    ["holdfast.loop.run"] = "lua/holdfast/loop/run.lua",
    ["holdfast.loop.stack"] = "lua/holdfast/loop/stack.lua",
    ["holdfast.loop.workers"] = "lua/holdfast/loop/workers.lua",
    ["holdfast.mail"] = "lua/holdfast/mail.lua",
    ["holdfast.options"] = "lua/holdfast/options.lua",
    ["holdfast.policy"] = "lua/holdfast/policy.lua",
    ["holdfast.properties"] = "lua/holdfast/properties.lua",
    ["holdfast.publish"] = "lua/holdfast/publish.lua",
    ["holdfast.reader"] = "lua/holdfast/reader.lua",
    ["holdfast.reason"] = "lua/holdfast/reason.lua",
    ["holdfast.registry"] = "lua/holdfast/registry.lua",
    ["holdfast.relief"] = "lua/holdfast/relief.lua",
    ["holdfast.schema"] = "lua/holdfast/schema.lua",
    ["holdfast.settings"] = "lua/holdfast/settings.lua",
    ["holdfast.subscription"] = "lua/holdfast/subscription.lua",
    ["holdfast.text"] = "lua/holdfast/text.lua",
    ["holdfast.walk"] = "lua/holdfast/walk.lua",
    ["holdfast.wishing"] = "lua/holdfast/wishing.lua",
  },
  copy_directories = {},
}

test = {
  type = "command",
  script = "spec/run.lua",
}
