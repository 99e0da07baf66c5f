"""A clone restores everything from a folder or an S3 bucket; a damaged object is named.

The S3-compatible server runs in this process. test_pipeline.py tests a folder at full length.
"""

import subprocess

import pytest

boto3 = pytest.importorskip("boto3", reason="needs the packages of [dev]")
pytest.importorskip("dvc_s3", reason="needs the packages of [dev]")
server = pytest.importorskip("moto.server", reason="needs the packages of [dev]")

SECRETS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@pytest.fixture
def bucket(monkeypatch):
    """An empty bucket ``artifacts``, and the URL of its server."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    listening = server.ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    listening.start()
    host, port = listening.get_host_and_port()
    url = f"http://{host}:{port}"
    made = boto3.resource("s3", endpoint_url=url).create_bucket(Bucket="artifacts")
    yield made, url
    listening.stop()


def remote(checkout, kind, bucket, folder):
    """Make `kind` the checkout's remote and push everything there."""
    if kind == "s3":
        checkout.dvc("remote", "add", "--default", "store", "s3://artifacts/merflow")
        checkout.dvc("remote", "modify", "store", "endpointurl", bucket[1])
    else:
        checkout.dvc("remote", "add", "--default", "store", str(folder))
    checkout.dvc("remote", "modify", "store", "verify", "true")
    checkout.commit("remote")
    checkout.dvc("push")


def damage(kind, bucket, folder, md5):
    """Replace the content of the remote's object of a digest."""
    if kind == "s3":
        bucket[0].Object(f"merflow/files/md5/{md5[:2]}/{md5[2:]}").put(Body=b"damaged")
    else:
        path = folder / "files/md5" / md5[:2] / md5[2:]
        path.chmod(0o644)
        path.write_bytes(b"damaged")


@pytest.mark.parametrize(
    "kind",
    ["folder", pytest.param("s3", marks=pytest.mark.nightly)],  # DVC's own part differs
)
def test_a_clone_restores_all_and_names_a_damaged_object(checkout, tmp_path, bucket, kind):
    checkout.env |= SECRETS
    remote(checkout, kind, bucket, tmp_path / "remote")
    subprocess.run(
        ["git", "clone", "--quiet", str(checkout.path), str(tmp_path / "clone")], check=True
    )
    clone = checkout.at(tmp_path / "clone")
    clone.env |= SECRETS
    clone.dvc("pull")
    assert clone.artifacts() == checkout.artifacts()
    assert clone.nothing_to_do()
    assert clone.clean_for_dvc()
    assert clone.steps() == {}

    feature = "data/features/meld/bert.parquet"
    (digest,) = checkout.md5(feature)
    damage(kind, bucket, tmp_path / "remote", digest)
    subprocess.run(
        ["git", "clone", "--quiet", str(checkout.path), str(tmp_path / "second")], check=True
    )
    second = checkout.at(tmp_path / "second")
    second.env |= SECRETS
    pulled = second.dvc("pull", check=False)
    assert pulled.returncode != 0
    assert feature in pulled.stderr
    assert not (second.path / feature).exists()
