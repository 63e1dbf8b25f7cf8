"""A real Spark of two workers on this machine, each a process of its own, as ``local-cluster`` starts them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyspark

MASTER = "local-cluster[2,1,1024]"
"""Two workers of one core and 1024 MB each."""
_ONE_COMPILER = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
CONF: Mapping[str, str] = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.executor.memory": "1g",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.adaptive.enabled": "false",
    "spark.driver.extraJavaOptions": _ONE_COMPILER,
    "spark.executor.extraJavaOptions": _ONE_COMPILER,
}
"""For logs so small that starting and compiling is all there is to do."""


@contextmanager
def spark_home(folder: Path) -> Iterator[None]:
    """Lets the workers write beside a Spark in ``folder``, made of links, and not beside the installed one. JAVA_HOME
    is unset, so that the Java that the set-up installed is the one that runs."""
    folder.mkdir(parents=True)
    for each in Path(pyspark.__file__).parent.iterdir():
        if each.name != "work":
            (folder / each.name).symlink_to(each)
    before = {name: os.environ.pop(name, None) for name in ("JAVA_HOME", "SPARK_HOME", "SPARK_CONF_DIR")}
    os.environ["SPARK_HOME"] = str(folder)
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    try:
        yield
    finally:
        for name in ("SPARK_HOME", "SPARK_LOCAL_IP"):
            os.environ.pop(name, None)
        os.environ.update({name: value for name, value in before.items() if value is not None})
