"""Runs ClickHouse inside this process: statements, then queries, both from standard input as JSON; answers as JSON."""

import json
import sys

from chdb import session

asked = json.load(sys.stdin)
clickhouse = session.Session()
for statement in ["CREATE DATABASE rejoin", "USE rejoin", *asked["statements"]]:
    clickhouse.query(statement)
print(json.dumps([json.loads(str(clickhouse.query(query, "JSON")))["data"] for query in asked["queries"]]))
