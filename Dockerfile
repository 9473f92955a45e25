# syntax=docker/dockerfile:1

# The gateway with all that it needs: PostgreSQL's programs for the embedded database, the clients it hands to hosts.
#
#   docker build --build-arg VERSION=1.2.3 -t cdxgate .
#   docker run --stop-timeout 30 -v cdxgate:/var/lib/cdxgate -p 8488:8488 -p 8489:8489 cdxgate
#   docker exec -it CONTAINER cdxgate host add build7.example

FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=0.1.0-dev
ARG TARGETARCH
RUN GOARCH=$TARGETARCH make build clients VERSION="$VERSION"

FROM debian:12-slim
# PostgreSQL's package would make a cluster of its own; ours lives in the volume. initdb asks for the passwd entry of
# whoever runs it.
RUN mkdir -p /etc/postgresql-common/createcluster.d \
	&& echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/cdxgate.conf \
	&& apt-get update \
	&& apt-get install --assume-yes --no-install-recommends ca-certificates curl postgresql-15 \
	&& rm -rf /var/lib/apt/lists/* \
	&& groupadd --system --gid 8488 cdxgate \
	&& useradd --system --uid 8488 --gid 8488 --home-dir /var/lib/cdxgate --shell /usr/sbin/nologin cdxgate \
	&& install --directory --owner cdxgate --group cdxgate --mode 0711 /var/lib/cdxgate
COPY --from=build /src/bin/cdxgate /usr/bin/
COPY --from=build /src/bin/cdx.d /usr/lib/cdxgate/cdx.d/
COPY Caddyfile /etc/cdxgate/

# Inside a container every address is private until its port is published; admins need a certificate either way.
ENV CDXGATE_DATA_DIR=/var/lib/cdxgate \
	CDXGATE_SITE=http://localhost:8488 \
	CDXGATE_BIND=0.0.0.0 \
	CDXGATE_ADMIN_BIND=0.0.0.0
# The operator's verbs read ./Caddyfile.
WORKDIR /etc/cdxgate
VOLUME /var/lib/cdxgate
EXPOSE 8488 8489
USER 8488:8488
# The site's own name, port and scheme, at this container's loopback address. The first start makes the database.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s \
	CMD curl --fail --silent --insecure --output /dev/null --connect-to ::127.0.0.1: "${CDXGATE_SITE%%,*}/livez"
CMD ["cdxgate", "run", "--config", "/etc/cdxgate/Caddyfile"]
