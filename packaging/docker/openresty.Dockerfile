# holdfast in OpenResty: docker build -f packaging/docker/openresty.Dockerfile -t openresty-holdfast .
ARG OPENRESTY=bookworm

FROM openresty/openresty:${OPENRESTY} AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev make libpaho-mqtt-dev libssl-dev \
    libsqlite3-dev libwslay-dev
COPY . /holdfast
WORKDIR /holdfast
RUN make -s clean && \
    make -s -j"$(nproc)" install LUA=luajit LUA_INCDIR=/usr/local/openresty/luajit/include/luajit-2.1 \
      PREFIX=/usr/local/openresty/luajit DESTDIR=/installed && rm -r /installed/usr/local/openresty/luajit/bin

FROM openresty/openresty:${OPENRESTY}
RUN apt-get update && apt-get install -y --no-install-recommends libssl3 libsqlite3-0 libpaho-mqtt1.3 libwslay1 && \
    rm -rf /var/lib/apt/lists/*
COPY --from=build /installed /
RUN /usr/local/openresty/luajit/bin/luajit -e 'require "holdfast"'
