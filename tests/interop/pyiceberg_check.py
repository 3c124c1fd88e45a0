#!/usr/bin/env python3
"""Read a Playtrace table with PyIceberg and say what is in it, as one JSON object.

    pyiceberg_check.py TABLE_DIR_OR_METADATA_FILE
    pyiceberg_check.py --data DATA_DIR          the table DATA_DIR/lake/events
    pyiceberg_check.py --sql                    print the SQL that gives the same numbers
    pyiceberg_check.py --data DATA_DIR --rows   every row as one line of text, ordered by event_id
    pyiceberg_check.py --rows-sql               print the SQL that gives the same lines
    pyiceberg_check.py --data DATA_DIR --truth FILE
                                                hold every row to events.csv of `playtrace simulate`

The object under "table" equals the one row that `playtrace query --format json --sql "$(… --sql)"`
gives for the same snapshot: counts and bounds a column, and a digest over every value of every row.
Filtered scans, which PyIceberg prunes by our statistics and partition values, are then held against
the same filters over the full scan; exit 1 where one finds other rows.
"""
import argparse
import hashlib
import json
import pathlib
import re
import sys
import uuid

UUIDS = ["event_id"]
TIMES = ["event_time", "occurred_at", "received_at"]
TEXTS = ["event_name", "user_id", "session_id", "install_id", "build_id", "platform",
         "mechanic_version", "attributes", "country", "region", "city"]
LONGS = ["seq", "boot", "clock_skew_us"]
BOOLS = ["is_late"]
COLUMNS = ["event_id", "event_name", "event_time", "occurred_at", "received_at", "user_id",
           "session_id", "seq", "install_id", "boot", "build_id", "platform",
           "mechanic_version", "attributes", "clock_skew_us", "is_late", "country", "region", "city"]


def sql_text(column):
    """A column's value as the digest takes it."""
    if column in TIMES:
        return f"epoch_us({column})::VARCHAR"
    return f"coalesce({column}::VARCHAR, '\\N')"


def comparison_sql():
    parts = ["count(*) AS rows"]
    for column in COLUMNS:
        parts.append(f"count({column}) AS {column}_count")
        if column in TIMES:
            parts.append(f"epoch_us(min({column})) AS {column}_min")
            parts.append(f"epoch_us(max({column})) AS {column}_max")
        elif column in LONGS:
            parts.append(f"sum({column}) AS {column}_sum")
        elif column in BOOLS:
            parts.append(f"count(*) FILTER ({column}) AS {column}_true")
        elif column != "attributes":
            parts.append(f"min({column})::VARCHAR AS {column}_min")
            parts.append(f"max({column})::VARCHAR AS {column}_max")
            parts.append(f"count(DISTINCT {column}) AS {column}_distinct")
    parts.append(f"sum(('0x' || substr(md5({row_sql()}), 1, 8))::BIGINT) AS digest")
    return "SELECT " + ", ".join(parts) + " FROM events"


def row_sql():
    return "concat_ws('|', " + ", ".join(sql_text(column) for column in COLUMNS) + ")"


def rows_sql():
    return f"SELECT {row_sql()} AS line FROM events ORDER BY event_id::VARCHAR"


def newest_metadata(table):
    if table.is_file():
        return table
    versions = {}
    for path in (table / "metadata").glob("v*.metadata.json"):
        match = re.fullmatch(r"v(\d+)\.metadata\.json", path.name)
        if match:
            versions[int(match.group(1))] = path
    if not versions:
        sys.exit(f"pyiceberg_check: {table}: no metadata/vN.metadata.json")
    return versions[max(versions)]


def values_of(arrow, column):
    """Python values: UUIDs as text, times as microseconds."""
    import pyarrow
    data = arrow[column]
    if column in TIMES:
        if not (pyarrow.types.is_timestamp(data.type) and data.type.tz and data.type.unit == "us"):
            sys.exit(f"pyiceberg_check: {column} is {data.type}, not a UTC timestamp")
        return data.cast(pyarrow.int64()).to_pylist()
    if column in UUIDS:
        return [str(v if isinstance(v, uuid.UUID) else uuid.UUID(bytes=v))
                for v in data.to_pylist()]
    return data.to_pylist()


def as_text(value):
    if value is None:
        return "\\N"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def row_texts(columns):
    for row in zip(*(columns[column] for column in COLUMNS)):
        yield "|".join(as_text(value) for value in row)


def differences_from_truth(columns, path):
    """What is wrong, as text: each event of the truth is one row, equal in all that the truth knows."""
    import csv
    wrong = []
    place_of = {}
    for place, event_id in enumerate(columns["event_id"]):
        if event_id in place_of:
            wrong.append(f"{event_id}: twice in the table")
        place_of[event_id] = place
    pseudonyms, players, seen = {}, {}, set()
    with open(path, newline="", encoding="utf-8") as file:
        for truth in csv.DictReader(file):
            event_id = truth["event_id"]
            if event_id not in place_of:
                wrong.append(f"{event_id}: not in the table")
                continue
            seen.add(event_id)
            row = {column: columns[column][place_of[event_id]] for column in COLUMNS}
            expected = {
                "event_name": truth["event_name"],
                "session_id": truth["session_id"],
                "seq": int(truth["seq"]) if truth["seq"] else None,
                "occurred_at": int(truth["occurred_at_us"]),
            }
            # As the client wrote them: the table keeps the text.
            expected["attributes"] = truth["attributes"] or None
            for column, value in expected.items():
                if row[column] != value:
                    wrong.append(f"{event_id}: {column} is {row[column]!r}, not {value!r}")
            true_us, claimed_us = int(truth["true_time_us"]), int(truth["occurred_at_us"])
            room_us = 0 if true_us == claimed_us else 10_000_000
            if abs(row["event_time"] - true_us) > room_us:
                wrong.append(f"{event_id}: event_time is {row['event_time']}, not {true_us}")
            if pseudonyms.setdefault(truth["user_id"], row["user_id"]) != row["user_id"] or \
                    players.setdefault(row["user_id"], truth["user_id"]) != truth["user_id"]:
                wrong.append(f"{event_id}: player {truth['user_id']} has two pseudonyms or shares one")
    wrong += [f"{event_id}: nobody played it" for event_id in place_of if event_id not in seen]
    return wrong


def summary(columns):
    rows = len(columns["event_id"])
    out = {"rows": rows}
    for column in COLUMNS:
        present = [v for v in columns[column] if v is not None]
        out[f"{column}_count"] = len(present)
        if column in TIMES:
            out[f"{column}_min"] = min(present, default=None)
            out[f"{column}_max"] = max(present, default=None)
        elif column in LONGS:
            out[f"{column}_sum"] = sum(present) if present else None
        elif column in BOOLS:
            out[f"{column}_true"] = sum(present)
        elif column != "attributes":
            # By bytes, as SQL here compares.
            order = sorted(set(present), key=lambda text: text.encode())
            out[f"{column}_min"] = order[0] if order else None
            out[f"{column}_max"] = order[-1] if order else None
            out[f"{column}_distinct"] = len(order)
    digest = 0
    for text in row_texts(columns):
        digest += int(hashlib.md5(text.encode()).hexdigest()[:8], 16)
    out["digest"] = digest if rows else None
    return out


def middle(values):
    present = sorted(v for v in values if v is not None)
    return present[len(present) // 2] if present else None


def filters_of(columns):
    """(what, PyIceberg expression, the same in Python over one row's dict)"""
    from datetime import datetime, timedelta, timezone
    from pyiceberg import expressions as e

    def stamp(us):
        return (datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=us)).isoformat()

    day_us = 86400 * 1000000
    names = sorted(set(columns["event_name"]))
    for name in names[:8] + ["no_such_event"]:
        yield (f"event_name = {name}", e.EqualTo("event_name", name),
               "event_name", lambda v, n=name: v == n)
    days = sorted({t // day_us for t in columns["event_time"]})
    for day in days[:20] + [days[-1] + 1]:
        low, high = day * day_us, (day + 1) * day_us
        yield (f"event_time on day {day}",
               e.And(e.GreaterThanOrEqual("event_time", stamp(low)),
                     e.LessThan("event_time", stamp(high))),
               "event_time", lambda v, a=low, b=high: a <= v < b)
    for column in TIMES:
        at = middle(columns[column])
        yield (f"{column} <= {at}", e.LessThanOrEqual(column, stamp(at)),
               column, lambda v, a=at: v <= a)
        yield (f"{column} > {at}", e.GreaterThan(column, stamp(at)),
               column, lambda v, a=at: v > a)
    for column in ["user_id", "session_id", "install_id", "event_id", "build_id"]:
        present = sorted({v for v in columns[column] if v is not None})
        for value in ({present[0], present[len(present) // 2], present[-1]} if present else ()):
            yield (f"{column} = {value}", e.EqualTo(column, value),
                   column, lambda v, a=value: v == a)
    for column in LONGS:
        at = middle(columns[column])
        if at is not None:
            yield (f"{column} < {at}", e.LessThan(column, at),
                   column, lambda v, a=at: v is not None and v < a)
            yield (f"{column} >= {at}", e.GreaterThanOrEqual(column, at),
                   column, lambda v, a=at: v is not None and v >= a)
    for column in ["platform", "attributes", "clock_skew_us", "seq", "install_id"]:
        yield (f"{column} is null", e.IsNull(column), column, lambda v: v is None)
        yield (f"{column} is not null", e.NotNull(column), column, lambda v: v is not None)
    for late in (True, False):
        yield (f"is_late = {late}", e.EqualTo("is_late", late), "is_late",
               lambda v, a=late: v == a)


def check_filters(table, columns):
    files = len(list(table.scan().plan_files()))
    checks = []
    for what, expression, column, holds in filters_of(columns):
        scan = table.scan(row_filter=expression, selected_fields=(column,))
        checks.append({"filter": what,
                       "rows": scan.to_arrow().num_rows,
                       "expected": sum(1 for v in columns[column] if holds(v)),
                       "files": len(list(scan.plan_files())),
                       "files_in_all": files})
    return checks


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", nargs="?", help="the table's directory or a metadata file")
    parser.add_argument("--data", help="a data directory of `playtrace serve`")
    parser.add_argument("--sql", action="store_true", help="print the SQL to compare with")
    parser.add_argument("--rows", action="store_true", help="print every row")
    parser.add_argument("--rows-sql", action="store_true", help="print the SQL that does the same")
    parser.add_argument("--truth", help="events.csv of `playtrace simulate --truth`")
    parser.add_argument("--verbose", action="store_true", help="list every filter")
    arguments = parser.parse_args()
    if arguments.sql:
        print(comparison_sql())
        return 0
    if arguments.rows_sql:
        print(rows_sql())
        return 0
    if not arguments.table and not arguments.data:
        parser.error("a table or --data is needed")
    from pyiceberg.table import StaticTable
    where = pathlib.Path(arguments.table) if arguments.table else \
        pathlib.Path(arguments.data) / "lake" / "events"
    metadata = newest_metadata(where)
    table = StaticTable.from_metadata(str(metadata.resolve()))
    snapshot = table.current_snapshot()
    types = {field.name: (field.field_id, str(field.field_type), field.required)
             for field in table.schema().fields}
    if [types[name][0] for name in COLUMNS] != list(range(1, len(COLUMNS) + 1)):
        sys.exit(f"pyiceberg_check: other field ids than 1..{len(COLUMNS)}: {types}")
    arrow = table.scan().to_arrow()
    columns = {column: values_of(arrow, column) for column in COLUMNS}
    if arguments.rows:
        order = sorted(zip(columns["event_id"], row_texts(columns)))
        sys.stdout.writelines(json.dumps(text, ensure_ascii=False) + "\n" for _, text in order)
        return 0
    if arguments.truth:
        wrong = differences_from_truth(columns, arguments.truth)
        print(json.dumps({"rows": len(columns["event_id"]), "wrong": len(wrong), "first": wrong[:5]}))
        return 1 if wrong else 0
    out = {"snapshot_id": snapshot.snapshot_id if snapshot else None, "table": summary(columns)}
    failed = []
    if snapshot:
        # Another program's snapshot carries none.
        out["checkpoint"] = int(snapshot.summary["playtrace.checkpoint"] or 0)
        said = int(snapshot.summary["total-records"])
        if said != len(columns["event_id"]):
            failed.append({"filter": "total-records of the summary", "rows": said,
                           "expected": len(columns["event_id"])})
        by_manifest = sum(task.file.record_count for task in table.scan().plan_files())
        if by_manifest != said:
            failed.append({"filter": "record_count of the manifests", "rows": by_manifest,
                           "expected": said})
        checks = check_filters(table, columns)
        failed += [check for check in checks if check["rows"] != check["expected"]]
        out["filters"] = checks if arguments.verbose else len(checks)
        out["filters_that_skip_files"] = sum(c["files"] < c["files_in_all"] for c in checks)
    out["failed"] = failed
    json.dump(out, sys.stdout, indent=1, ensure_ascii=False)
    print()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
