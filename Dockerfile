# Builds ponder on Debian 12 and runs the quickstart:
#   docker build -t ponder . && docker run --rm -v "$PWD/runs:/ponder/runs" ponder
FROM debian:12
RUN apt-get update -qq && apt-get install --yes --no-install-recommends -qq git ca-certificates
WORKDIR /ponder
COPY scripts/install-deps scripts/
RUN scripts/install-deps
COPY . .
RUN scripts/build release ponder
CMD ["scripts/quickstart"]
