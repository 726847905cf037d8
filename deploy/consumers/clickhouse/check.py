"""Runs tables.sql and the queries in a ClickHouse inside this process (chdb), which has no Kafka: check.py EVENTS QUERY...

queue is a plain table here, filled with the lines of a file, twice: as ClickHouse reads them again after a restart.
"""
import pathlib
import re
import sys

from chdb import session

here = pathlib.Path(__file__).parent
clickhouse = session.Session()
clickhouse.query("create database lowcap")
clickhouse.query("use lowcap")
tables = re.sub(r"(?m)^--.*\n", "", (here / "tables.sql").read_text())
for statement in tables.split(";\n"):
    if statement.strip():
        clickhouse.query(re.sub(r"engine = Kafka settings.*", "engine = Null", statement, flags=re.S))
for _ in range(2):
    clickhouse.query(f"insert into queue select json from file('{sys.argv[1]}', 'JSONAsString', 'json String')")
for query in sys.argv[2:]:
    print("#", pathlib.Path(query).name)
    rows = clickhouse.query(pathlib.Path(query).read_text() + " settings join_use_nulls = 1, cast_keep_nullable = 1", "TSV")
    print(str(rows).rstrip("\n").replace("\\N", "").replace("\t", ","))
