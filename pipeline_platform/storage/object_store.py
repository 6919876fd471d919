"""S3 and what speaks its protocol: who we are there, in the words of Arrow and of delta-rs, and its errors in ours.

Both read what every program for AWS reads (`AWS_ACCESS_KEY_ID`, a profile, the role of a machine); what is given here
goes before that.
"""

from dataclasses import dataclass

import pyarrow.fs as fs

SCHEME = "s3://"
DEFAULT_REGION = "us-east-1"
_UNKNOWN_BUCKET = ("NO_SUCH_BUCKET", "To create buckets")
_REFUSED = ("ACCESS_DENIED", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH", "UNRECOGNIZED_CLIENT", "MISSING_AUTH")


@dataclass(frozen=True)
class S3Access:
    """Access to an object store; what is None is left to the environment.

    Attributes:
        endpoint: its address where it is not Amazon's, as `http://minio:9000`.
        region: its region.
        key_id: public part of the credentials.
        secret: secret part of the credentials.
    """

    endpoint: str | None = None
    region: str | None = None
    key_id: str | None = None
    secret: str | None = None

    def __repr__(self) -> str:
        return f"S3Access(endpoint={self.endpoint!r}, region={self.region!r})"

    def files(self, location: str) -> tuple[fs.FileSystem, str]:
        """The file system of an `s3://bucket/prefix`, and the path in it."""
        if self == S3Access():
            files, root = fs.FileSystem.from_uri(location)
            return files, str(root)
        given = fs.S3FileSystem(
            access_key=self.key_id,
            secret_key=self.secret,
            region=self.region or DEFAULT_REGION,
            endpoint_override=self.endpoint,
        )
        return given, location.removeprefix(SCHEME)

    def options(self) -> dict[str, str]:
        """The storage options of delta-rs."""
        given = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": self.region or (DEFAULT_REGION if self.endpoint else None),
            "AWS_ACCESS_KEY_ID": self.key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_ALLOW_HTTP": "true" if (self.endpoint or "").startswith("http://") else None,
        }
        return {name: value for name, value in given.items() if value is not None}

    def explained(self, location: str, error: OSError) -> str:
        """What is wrong with `location`, and what to do."""
        said = str(error)
        bucket = location.removeprefix(SCHEME).partition("/")[0]
        if any(sign in said for sign in _UNKNOWN_BUCKET):
            return f"there is no bucket {bucket!r}: create it, or mend PIPELINE_LAKE_URL"
        if any(sign in said for sign in _REFUSED):
            return (
                f"the credentials may not use the bucket {bucket!r}: set PIPELINE_S3_ACCESS_KEY_ID and "
                "PIPELINE_S3_SECRET_ACCESS_KEY (or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY) to those of somebody "
                "who may list, read, write and delete there"
            )
        if "NETWORK_CONNECTION" in said:
            where = self.endpoint or "the address of the region"
            return f"nothing answers at {where}: start it, or mend PIPELINE_S3_ENDPOINT_URL"
        return f"it cannot be used ({said.splitlines()[0]})"
