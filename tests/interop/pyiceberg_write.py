#!/usr/bin/env python3
"""Change a Playtrace table with PyIceberg, as another program on the same directory.

    pyiceberg_write.py DATA_DIR ACTION [ARGUMENT]

    append N           N rows copied from the table, under new event ids
    append-from FILE   the same rows, but the commit waits until FILE is there ("ready" is printed)
    delete NAME        rows of that event_name go (copy-on-write)
    add-column NAME    an optional double
    rename-column OLD NEW
    add-partition-field NAME
    tag NAME           the current snapshot
    rollback           to the parent of the current snapshot

PyIceberg comes with no catalogue for tables in a directory, where metadata/vN.metadata.json with the
greatest N is current. DirectoryCatalog is one: it puts vN+1 in place where there is none.
"""
import os
import pathlib
import re
import sys
import time
import uuid

from pyiceberg.catalog.noop import NoopCatalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.io import load_file_io
from pyiceberg.serializers import FromInputFile, ToOutputFile
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.table.update import update_table_metadata


class DirectoryCatalog(NoopCatalog):
    """One table in one directory."""

    def __init__(self, directory):
        super().__init__("directory")
        self.metadata_dir = pathlib.Path(directory).resolve() / "metadata"
        self.io = load_file_io({})

    def newest(self):
        versions = [int(match.group(1)) for name in os.listdir(self.metadata_dir)
                    if (match := re.fullmatch(r"v(\d+)\.metadata\.json", name))]
        return max(versions)

    def path_of(self, version):
        return f"{self.metadata_dir}/v{version}.metadata.json"

    def load(self):
        location = self.path_of(self.newest())
        metadata = FromInputFile.table_metadata(self.io.new_input(location))
        return Table(("events",), metadata, location, self.io, self)

    def load_table(self, identifier):
        return self.load()

    def commit_table(self, table, requirements, updates):
        version = self.newest()
        location = self.path_of(version)
        base = FromInputFile.table_metadata(self.io.new_input(location))
        for requirement in requirements:
            requirement.validate(base)
        metadata = update_table_metadata(base, updates, metadata_location=location)
        temporary = f"{self.metadata_dir}/{uuid.uuid4()}.metadata.json"
        ToOutputFile.table_metadata(metadata, self.io.new_output(temporary))
        try:
            os.link(temporary, self.path_of(version + 1))
        except FileExistsError as error:
            raise CommitFailedException(f"v{version + 1} is there already") from error
        finally:
            os.unlink(temporary)
        return CommitTableResponse(metadata=metadata, metadata_location=self.path_of(version + 1))


def copied_rows(table, count):
    import pyarrow
    rows = table.scan(limit=count).to_arrow()
    field = rows.schema.field("event_id")
    is_wrapped = isinstance(field.type, pyarrow.BaseExtensionType)
    storage = field.type.storage_type if is_wrapped else field.type
    ids = pyarrow.array([uuid.uuid4().bytes for _ in range(rows.num_rows)], storage)
    if is_wrapped:
        ids = pyarrow.ExtensionArray.from_storage(field.type, ids)
    return rows.set_column(rows.schema.get_field_index("event_id"), field, ids)


def main():
    data, action, *arguments = sys.argv[1:]
    table = DirectoryCatalog(pathlib.Path(data) / "lake" / "events").load()
    if action == "append":
        table.append(copied_rows(table, int(arguments[0])))
    elif action == "append-from":
        # What PyIceberg believes to be current is read here; meanwhile others commit.
        with table.transaction() as transaction:
            transaction.append(copied_rows(table, 10))
            print("ready", flush=True)
            while not os.path.exists(arguments[0]):
                time.sleep(0.02)
    elif action == "delete":
        table.delete(f"event_name = '{arguments[0]}'")
    elif action == "add-column":
        from pyiceberg.types import DoubleType
        with table.update_schema() as update:
            update.add_column(arguments[0], DoubleType())
    elif action == "rename-column":
        with table.update_schema() as update:
            update.rename_column(*arguments)
    elif action == "add-partition-field":
        from pyiceberg.transforms import IdentityTransform
        with table.update_spec() as update:
            update.add_field(arguments[0], IdentityTransform())
    elif action == "tag":
        table.manage_snapshots().create_tag(table.current_snapshot().snapshot_id,
                                            arguments[0]).commit()
    else:
        sys.exit(f"pyiceberg_write: {action}: no such action")


if __name__ == "__main__":
    main()
