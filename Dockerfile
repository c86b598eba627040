# syntax=docker/dockerfile:1
# The server alone, without a PostgreSQL to run itself: DATABASE_URL must be set. Migrations and
# prompts are in the binary.
FROM rust:1-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --profile dist --locked --no-default-features --bin frontdesk \
    && install -m 755 target/dist/frontdesk /frontdesk

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --no-create-home frontdesk \
    && install -d -m 700 -o frontdesk -g frontdesk /data
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /frontdesk /usr/local/bin/frontdesk
USER frontdesk
# The spool of the call log: worth a volume.
ENV DATA_DIR=/data
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["frontdesk"]
CMD ["serve"]
