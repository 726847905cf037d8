"""Runs a query over DIR/events.jsonl and prints its rows as CSV: query.py DIR ../queries/blocked.sql."""
import os
import pathlib
import sys

import duckdb

here = pathlib.Path(__file__).parent
query = pathlib.Path(sys.argv[2]).read_text()
views = (here / "views.sql").read_text()
os.chdir(sys.argv[1])
database = duckdb.connect()
database.execute(views)
for row in database.execute(query).fetchall():
    print(",".join("" if value is None else str(value) for value in row))
