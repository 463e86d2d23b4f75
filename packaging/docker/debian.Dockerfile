# holdfast on Debian, for Lua 5.4 with its commands: docker build -f packaging/docker/debian.Dockerfile -t holdfast .
ARG DEBIAN=trixie-slim

FROM debian:${DEBIAN} AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev make lua5.4 liblua5.4-dev libpaho-mqtt-dev \
    libssl-dev libsqlite3-dev libwslay-dev libngtcp2-dev libngtcp2-crypto-gnutls-dev libgnutls28-dev
COPY . /holdfast
WORKDIR /holdfast
RUN make -s clean && make -s -j"$(nproc)" LUA=lua5.4 all && make -s install LUA=lua5.4 DESTDIR=/installed
# What it is linked with, and what it loads when that is first needed, as packages.
RUN for library in $(ldd /installed/usr/local/lib/lua/5.4/holdfast/*.so | sed -n 's/.*=> \(\/[^ ]*\).*/\1/p') \
      $(ldconfig -p | sed -n 's/.*lib\(ssl\.so\|crypto\.so\|sqlite3\.so\|paho-mqtt3as\.so\)\.[0-9.]* .*=> //p'); do \
      dpkg -S "$library" "$(realpath "$library")" 2>/dev/null | sed 's/:.*//'; \
    done | sort -u >/packages

FROM debian:${DEBIAN}
COPY --from=build /packages /tmp/packages
RUN apt-get update && xargs apt-get install -y --no-install-recommends lua5.4 lua-argparse ca-certificates </tmp/packages && \
    rm -rf /var/lib/apt/lists/* /tmp/packages
COPY --from=build /installed /
RUN lua5.4 -e 'require "holdfast"' && useradd --system --create-home holdfast
USER holdfast
WORKDIR /home/holdfast
CMD ["lua5.4"]
