"""PyIceberg as the other engine on our tables: one command a call, JSON on standard output.

usage: pyiceberg_peer.py CATALOG_URI WAREHOUSE COMMAND TABLE [ARGUMENT]
"""
import json
import sys
from datetime import date, datetime, timezone
from decimal import Decimal

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import BucketTransform, DayTransform, IdentityTransform
from pyiceberg.types import DecimalType, LongType, NestedField, StringType, TimestamptzType


def shown(value):
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat(timespec="microseconds")
    if isinstance(value, (date, Decimal)):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return [shown(item) for item in value]
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items()}
    return value if value is None or isinstance(value, (bool, float, str, int)) else str(value)


def main():
    uri, warehouse, command, name = sys.argv[1:5]
    argument = sys.argv[5] if len(sys.argv) > 5 else None
    # The catalog's tables are there already: PyIceberg must take the rows as they are.
    catalog = SqlCatalog("lastro", uri=uri, warehouse=warehouse, init_catalog_tables="false")
    if command == "create":
        schema = Schema(
            NestedField(1, "id", LongType(), required=False),
            NestedField(2, "at", TimestamptzType(), required=False),
            NestedField(3, "area", StringType(), required=False),
            NestedField(4, "amount", DecimalType(12, 2), required=False),
        )
        spec = PartitionSpec(
            PartitionField(2, 1000, DayTransform(), "at_day"),
            PartitionField(3, 1001, IdentityTransform(), "area"),
            PartitionField(1, 1002, BucketTransform(4), "id_bucket"),
        )
        catalog.create_namespace_if_not_exists(name.rsplit(".", 1)[0])
        catalog.create_table(name, schema, partition_spec=spec)
        print(json.dumps(True))
        return
    table = catalog.load_table(name)
    if command == "read":
        scan = table.scan(row_filter=argument) if argument else table.scan()
        rows = [{key: shown(value) for key, value in row.items()} for row in scan.to_arrow().to_pylist()]
        files = len(list(scan.plan_files()))
        print(json.dumps({"rows": rows, "files": files}))
    elif command == "read_ref":
        snapshot = table.snapshot_by_name(argument)
        rows = table.scan(snapshot_id=snapshot.snapshot_id).to_arrow().to_pylist()
        print(json.dumps([{key: shown(value) for key, value in row.items()} for row in rows]))
    elif command == "refs":
        print(json.dumps({name: ref.snapshot_ref_type.value for name, ref in table.metadata.refs.items()}))
    elif command == "history":
        print(json.dumps([str(snapshot.snapshot_id) for snapshot in table.snapshots()]))
    elif command == "inspect":
        print(json.dumps({
            "entries": table.inspect.entries().num_rows,
            "partitions": [shown(row["partition"]) for row in table.inspect.partitions().to_pylist()],
        }))
    elif command == "append":
        rows = json.loads(argument)
        for row in rows:
            row["at"] = datetime.fromisoformat(row["at"]) if row.get("at") else None
            row["amount"] = Decimal(row["amount"]) if row.get("amount") else None
        table.append(pa.Table.from_pylist(rows, schema=pa.schema([
            ("id", pa.int64()), ("at", pa.timestamp("us", "UTC")), ("area", pa.string()), ("amount", pa.decimal128(12, 2)),
        ])))
        print(json.dumps(str(table.current_snapshot().snapshot_id)))
    elif command == "delete":
        table.delete(argument)
        print(json.dumps(str(table.current_snapshot().snapshot_id)))
    elif command == "rename":
        old, new = argument.split(",")
        with table.update_schema() as update:
            update.rename_column(old, new)
        print(json.dumps(True))
    else:
        raise SystemExit(f"unknown command {command}")


main()
