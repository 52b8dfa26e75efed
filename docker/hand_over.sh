#!/bin/sh
# The provision step of docker-compose.yml: set the key server up, then give each plane, and the sequencer, the one
# identity file that is its own. /run/identities keeps all of them and is mounted by no plane.
set -eu
strongroom provision --vault-addr https://vault:8200 --vault-ca /run/strongroom/ca.pem \
    --token-file /run/unseal/root-token --out /run/identities --renew
for plane in control ingest reveal office audit sequencer; do
    install -m 0600 "/run/identities/$plane.json" "/planes/$plane/$plane.json"
done
