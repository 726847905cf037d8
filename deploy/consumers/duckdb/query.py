"""Runs a query over the events in DIR and prints its rows as CSV: query.py DIR lines.sql ../queries/blocked.sql.

lines.sql is for the directory of a file sink, parquet.sql for one of lowcap-parquet."""
import os
import pathlib
import sys

import duckdb

here = pathlib.Path(__file__).parent
statements = [here / sys.argv[2], here / "views.sql", pathlib.Path(sys.argv[3])]
texts = [path.read_text() for path in statements]
os.chdir(sys.argv[1])
database = duckdb.connect()
for text in texts:
    result = database.execute(text)
for row in result.fetchall():
    print(",".join("" if value is None else str(value) for value in row))
