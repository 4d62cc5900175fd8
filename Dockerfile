# Builds keytower and puts the one program that comes out into a small image.
#
#   docker build -t keytower .
#   docker run -p 8080:8080 -v keytower-data:/var/lib/keytower keytower
#
# Everything it keeps is in /var/lib/keytower. For several nodes on PostgreSQL see docker-compose.yml.

FROM rust:1-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin keytower

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 keytower \
    && useradd --uid 10001 --gid keytower --no-create-home --home-dir /var/lib/keytower --shell /usr/sbin/nologin keytower \
    && install -d -o keytower -g keytower -m 0700 /var/lib/keytower
COPY --from=build /src/target/release/keytower /usr/local/bin/keytower

# A number, so that Kubernetes can see that it is not root.
USER 10001:10001
ENV KEYTOWER_LISTEN=0.0.0.0:8080 KEYTOWER_DATA_DIR=/var/lib/keytower
VOLUME /var/lib/keytower
EXPOSE 8080
# Asks http://127.0.0.1:8080/readyz; the program does it itself, since the image has no curl.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 CMD ["keytower", "healthcheck"]
ENTRYPOINT ["keytower"]
