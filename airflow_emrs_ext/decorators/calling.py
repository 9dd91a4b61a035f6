"""Call a function with a live Spark session, in this interpreter or in another.

The source of these functions is carried to the other interpreter, which may be older and knows nothing of this package:
they import what they need themselves, and nothing of this package's or Airflow's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def call_with_spark(function: Callable[..., Any], spark: Any, args: Any, kwargs: Any) -> Any:
    """Call a function with ``spark`` where its signature has it.

    :param args: its other positional arguments
    :param kwargs: its other keyword arguments
    :raises TypeError: it returned a DataFrame
    """
    import inspect

    signature = inspect.signature(function)
    others = [parameter for parameter in signature.parameters.values() if parameter.name != "spark"]
    given = inspect.Signature(others).bind(*args, **kwargs).arguments
    given["spark"] = spark
    bound = inspect.BoundArguments(signature, given)
    return plain(function(*bound.args, **bound.kwargs))


def plain(value: Any) -> Any:
    """A returned value with Spark's rows as dictionaries and NumPy's numbers, which clients count in, as Python's.

    :raises TypeError: it contains a DataFrame, which lives in the session only
    """
    if type(value) in (list, tuple):
        return type(value)(plain(one) for one in value)
    if type(value) is dict:
        return {key: plain(one) for key, one in value.items()}
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
        return value.item()
    if not type(value).__module__.startswith("pyspark."):
        return value
    if hasattr(value, "asDict"):
        return value.asDict(recursive=True)
    if hasattr(value, "collect"):
        raise TypeError(
            f"The function returned a Spark {type(value).__name__}, which lives in the session only. Return what it "
            "holds, e.g. df.limit(1000).collect(), or write it, e.g. df.write.parquet('s3://…'), and return where."
        )
    return value


def with_spark_from_environment(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function without the argument ``spark``, which is a session with ``SPARK_REMOTE`` while it runs."""
    import functools
    import os

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            import pyspark.sql.connect.session
        except ImportError as error:
            raise ImportError(
                f"The interpreter of this task has no Spark Connect client: {error}. Install pyspark[connect] there, "
                "in the version of the session's Spark, e.g. pyspark[connect]==3.5.6."
            ) from error
        spark = pyspark.sql.SparkSession.builder.remote(os.environ["SPARK_REMOTE"]).create()
        try:
            return call_with_spark(function, spark, args, kwargs)
        finally:
            spark.stop()

    return run
