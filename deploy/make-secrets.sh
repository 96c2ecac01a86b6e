#!/bin/sh
# Makes the secrets that compose.yaml mounts, once: what is there is kept.
#
#     deploy/make-secrets.sh
#
# The folder is closed to other users. The files are not, because the containers' users must read them.
set -eu
folder=$(dirname "$0")/secrets
mkdir -p "$folder"
chmod 0700 "$folder"
umask 022
if [ ! -s "$folder/postgres_password" ]; then
    od -An -N24 -tx1 /dev/urandom | tr -d ' \n' > "$folder/postgres_password"
    rm -f "$folder/database_url"
fi
if [ ! -s "$folder/database_url" ]; then
    printf 'postgresql://rights:%s@postgres:5432/rights' "$(cat "$folder/postgres_password")" \
        > "$folder/database_url"
fi
if [ ! -s "$folder/grafana_password" ]; then
    od -An -N12 -tx1 /dev/urandom | tr -d ' \n' > "$folder/grafana_password"
fi
# The pair that signs (private) and verifies (public) bearer tokens, for compose.jwt.yaml.
if [ ! -s "$folder/jwt_public.pem" ]; then
    openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$folder/jwt_private.pem" 2>/dev/null ||
        openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$folder/jwt_private.pem"
    chmod 0600 "$folder/jwt_private.pem"
    openssl pkey -in "$folder/jwt_private.pem" -pubout -out "$folder/jwt_public.pem"
fi
echo "secrets are in $folder"
