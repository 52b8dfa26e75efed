#!/bin/sh
# Runs once inside a PostgreSQL container, when its data folder is new: the role that owns the database and
# makes the others. It is no superuser. POSTGRES_DB names the database.
set -eu
psql --no-psqlrc --set ON_ERROR_STOP=1 --username postgres --dbname postgres \
    --set database="$POSTGRES_DB" --set password="$(cat /run/strongroom/owner-password)" <<'SQL'
CREATE ROLE strongroom_owner LOGIN CREATEROLE NOSUPERUSER PASSWORD :'password';
ALTER DATABASE :"database" OWNER TO strongroom_owner;
SQL
