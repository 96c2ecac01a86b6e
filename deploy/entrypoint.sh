#!/bin/sh
# Runs a command of the image. DATABASE_URL_FILE names a file that holds RIGHTS_DATABASE_URL, so that the
# password is a mounted secret and stands in no container's configuration.
set -eu
if [ -n "${DATABASE_URL_FILE:-}" ]; then
    RIGHTS_DATABASE_URL=$(cat "$DATABASE_URL_FILE")
    export RIGHTS_DATABASE_URL
    unset DATABASE_URL_FILE
fi
exec "$@"
