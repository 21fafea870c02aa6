"""boto3, Amazon's own SDK, against every operation of the emulator."""

import json
import xml.etree.ElementTree as ElementTree

import boto3
from botocore.exceptions import ClientError

from harness import REGION, check, client, node, run, sandbox

INFORMATION = "InstanceInformationList"


def refused(code, call, *arguments, **members):
    """The call fails with exactly this error; answers its message."""
    try:
        call(*arguments, **members)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error.response["Error"]
        return error.response["Error"]["Message"]
    raise AssertionError(f"succeeded; expected {code}")


def information(ssm, **members):
    pages = ssm.get_paginator("describe_instance_information").paginate(**members)
    return [row for page in pages for row in page[INFORMATION]]


def instances(ec2, **members):
    pages = ec2.get_paginator("describe_instances").paginate(**members)
    return [row for page in pages for each in page["Reservations"] for row in each["Instances"]]


@check("ssm: nodes come page by page, each once")
def pages():
    ssm = client("ssm")
    ids = [row["InstanceId"] for row in information(ssm, PaginationConfig={"PageSize": 7})]
    assert len(ids) == len(set(ids)) > 50, len(ids)
    assert sorted(ids) == sorted(row["InstanceId"] for row in information(ssm))
    first = ssm.describe_instance_information(MaxResults=7)
    assert len(first[INFORMATION]) == 7 and first["NextToken"]


@check("ssm: nodes are filtered by state, platform, kind, tag and id")
def filters():
    ssm = client("ssm")
    everything = information(ssm)

    def found(key, *values):
        return {
            row["InstanceId"]
            for row in information(ssm, Filters=[{"Key": key, "Values": list(values)}])
        }

    def having(member, value):
        return {row["InstanceId"] for row in everything if row[member] == value}

    assert found("PingStatus", "Online") == having("PingStatus", "Online") != set()
    assert found("PingStatus", "ConnectionLost") == having("PingStatus", "ConnectionLost") != set()
    assert found("PlatformTypes", "Windows") == having("PlatformType", "Windows") != set()
    hybrid = found("ResourceType", "ManagedInstance")
    assert hybrid and all(each.startswith("mi-") for each in hybrid)
    assert found("tag:Name", "prod-storefront-01", "prod-bastion-01") == {
        node("prod-storefront-01"), node("prod-bastion-01")}
    one = everything[0]["InstanceId"]
    assert found("InstanceIds", one) == {one}
    old = [{"key": "PlatformTypes", "valueSet": ["Windows"]}]
    assert {row["InstanceId"] for row in information(ssm, InstanceInformationFilterList=old)} == (
        having("PlatformType", "Windows"))


@check("ssm: wrong filters, page sizes and tokens are refused")
def wrong_listing():
    describe = client("ssm").describe_instance_information
    refused("InvalidFilterKey", describe, Filters=[{"Key": "Colour", "Values": ["red"]}])
    refused("InvalidInstanceInformationFilterValue", describe,
            Filters=[{"Key": "PingStatus", "Values": ["Asleep"]}])
    refused("ValidationException", describe, MaxResults=51)
    refused("InvalidNextToken", describe, NextToken="not-a-token")


@check("ssm: regions and accounts have nodes of their own")
def places():
    def ids(profile, region):
        return {row["InstanceId"] for row in information(client("ssm", profile, region))}

    groups = [ids("sandbox-prod", "eu-central-1"), ids("sandbox-prod", "us-east-1"),
              ids("sandbox-dev", "eu-central-1"), ids("sandbox-data", "eu-west-1")]
    assert all(groups)
    assert len(set.union(*groups)) == sum(map(len, groups))


@check("ssm: a session starts, resumes, is listed, and ends")
def session():
    ssm = client("ssm")
    target = node("prod-storefront-01")
    started = ssm.start_session(Target=target, Reason="a look around")
    name = started["SessionId"]
    assert started["StreamUrl"].startswith("ws") and name in started["StreamUrl"]
    resumed = ssm.resume_session(SessionId=name)
    assert resumed["TokenValue"] and resumed["TokenValue"] != started["TokenValue"]

    def listed(state, **more):
        answer = ssm.describe_sessions(State=state, **more)
        return {row["SessionId"]: row for row in answer["Sessions"]}

    row = listed("Active")[name]
    assert row["Target"] == target and row["Reason"] == "a look around"
    assert row["Owner"].endswith(":user/mara"), row["Owner"]
    assert name in listed("Active", Filters=[{"key": "Target", "value": target}])
    assert name not in listed("Active", Filters=[{"key": "Target", "value": "i-0"}])
    assert ssm.terminate_session(SessionId=name)["SessionId"] == name
    assert name not in listed("Active")
    assert listed("History")[name]["Status"] == "Terminated"
    assert not ssm.resume_session(SessionId=name).get("TokenValue")


@check("ssm: sessions that cannot be are refused with the service's codes")
def refused_sessions():
    ssm = client("ssm")
    target = node("prod-storefront-01")
    refused("TargetNotConnected", ssm.start_session, Target="i-0123456789abcdef0")
    refused("TargetNotConnected", ssm.start_session, Target=node("hamburg-till-02"))
    refused("InvalidDocument", ssm.start_session, Target=target, DocumentName="No-Such-Document")
    refused("InvalidParameters", ssm.start_session, Target=target,
            DocumentName="AWS-StartPortForwardingSession", Parameters={"portNumber": ["eighty"]})
    refused("DoesNotExistException", ssm.resume_session, SessionId="mara-0123456789abcdef0")
    viewer = client("ssm", "sandbox-viewer")
    words = refused("AccessDeniedException", viewer.start_session, Target=target)
    assert "ssm:StartSession" in words and "user/vince" in words, words


@check("ssm: connection states and documents can be read")
def states_and_documents():
    ssm = client("ssm")
    assert ssm.get_connection_status(Target=node("prod-storefront-01"))["Status"] == "connected"
    assert ssm.get_connection_status(Target=node("hamburg-till-02"))["Status"] == "notconnected"
    for name in ["AWS-StartPortForwardingSession", "AWS-StartSSHSession", "Feldspar-RunReport"]:
        document = ssm.get_document(Name=name)
        assert document["DocumentType"] == "Session"
        assert json.loads(document["Content"])["schemaVersion"] == "1.0"
    refused("InvalidDocument", ssm.get_document, Name="No-Such-Document")


@check("ec2: instances come page by page, by id and by filter")
def ec2_instances():
    ec2 = client("ec2")
    everything = instances(ec2)
    ids = [row["InstanceId"] for row in instances(ec2, PaginationConfig={"PageSize": 9})]
    assert sorted(ids) == sorted(row["InstanceId"] for row in everything)
    agents = {row["InstanceId"] for row in information(client("ssm"))}
    assert {each for each in agents if each.startswith("i-")} < set(ids), "some have no agent"
    one = instances(ec2, InstanceIds=[ids[0]])
    assert [row["InstanceId"] for row in one] == ids[:1]
    web = instances(ec2, Filters=[{"Name": "tag:Role", "Values": ["we*"]}])
    assert web and all({"Key": "Role", "Value": "web"} in row["Tags"] for row in web)
    stopped = instances(ec2, Filters=[{"Name": "instance-state-name", "Values": ["stopped"]}])
    assert stopped and all(row["State"]["Code"] == 80 for row in stopped)
    refused("InvalidInstanceID.NotFound", ec2.describe_instances,
            InstanceIds=["i-0123456789abcdef0"])
    refused("InvalidInstanceID.Malformed", ec2.describe_instances, InstanceIds=["web"])
    refused("InvalidParameterValue", ec2.describe_instances,
            Filters=[{"Name": "colour", "Values": ["red"]}])


@check("ec2: regions are listed")
def regions():
    names = {row["RegionName"] for row in client("ec2").describe_regions()["Regions"]}
    assert {"eu-central-1", "us-east-1", "ap-southeast-2", "eu-west-1"} <= names


@check("sts: everybody is who they are, and roles can be assumed")
def identities():
    mara = client("sts").get_caller_identity()
    assert mara["Arn"] == "arn:aws:iam::111122223333:user/mara", mara
    operator = client("sts", "sandbox-operator").get_caller_identity()
    assert ":assumed-role/Operator/" in operator["Arn"], operator
    role = "arn:aws:iam::111122223333:role/Viewer"
    lent = client("sts").assume_role(RoleArn=role, RoleSessionName="peers")["Credentials"]
    viewer = boto3.Session(lent["AccessKeyId"], lent["SecretAccessKey"], lent["SessionToken"],
                           region_name=REGION)
    assert viewer.client("sts").get_caller_identity()["Arn"].endswith("role/Viewer/peers")
    refused("AccessDeniedException", viewer.client("ssm").start_session,
            Target=node("prod-storefront-01"))
    refused("AccessDenied", client("sts", "sandbox-developer").assume_role,
            RoleArn="arn:aws:iam::111122223333:role/Deployer", RoleSessionName="peers")
    refused("AccessDenied", client("sts").assume_role, RoleSessionName="peers",
            RoleArn="arn:aws:iam::777788889999:role/Partner", ExternalId="wrong")


@check("kms: data keys open only within their context")
def keys():
    kms = client("kms")
    context = {"aws:ssm:SessionId": "mara-1", "aws:ssm:TargetId": "i-1"}
    made = kms.generate_data_key(KeyId="alias/session-manager", NumberOfBytes=64,
                                 EncryptionContext=context)
    assert len(made["Plaintext"]) == 64
    opened = kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext=context)
    assert opened["Plaintext"] == made["Plaintext"] and opened["KeyId"] == made["KeyId"]
    refused("InvalidCiphertextException", kms.decrypt, CiphertextBlob=made["CiphertextBlob"],
            EncryptionContext={**context, "aws:ssm:TargetId": "i-2"})
    refused("NotFoundException", kms.generate_data_key, KeyId="alias/gone", NumberOfBytes=64)


@check("signatures: a wrong secret and an unknown key are refused")
def signatures():
    good = boto3.Session(profile_name="sandbox-prod").get_credentials()
    forged = boto3.Session(good.access_key, "x" * 40, region_name=REGION)
    unknown = boto3.Session("AKIANOBODYKNOWSTHIS0", "x" * 40, region_name=REGION)
    calls = {
        "ssm": lambda ssm: ssm.describe_instance_information,
        "kms": lambda kms: lambda: kms.decrypt(CiphertextBlob=b"nothing"),
        "sts": lambda sts: sts.get_caller_identity,
        "ec2": lambda ec2: ec2.describe_regions,
    }
    codes = {
        "ssm": ("InvalidSignatureException", "UnrecognizedClientException"),
        "kms": ("InvalidSignatureException", "UnrecognizedClientException"),
        "sts": ("SignatureDoesNotMatch", "InvalidClientTokenId"),
        "ec2": ("AuthFailure", "AuthFailure"),
    }
    for service, call in calls.items():
        wrong_secret, unknown_key = codes[service]
        refused(wrong_secret, call(forged.client(service)))
        refused(unknown_key, call(unknown.client(service)))


@check("faults: throttled calls are tried again, expired credentials are not")
def faults():
    ssm = client("ssm", retries={"mode": "standard", "max_attempts": 4})
    try:
        sandbox("faults", {"fault": "throttle", "operation": "DescribeSessions", "times": 2})
        answer = ssm.describe_sessions(State="Active")
        assert answer["ResponseMetadata"]["RetryAttempts"] == 2
        sandbox("faults", {"fault": "expire_credentials", "expired": True})
        refused("ExpiredTokenException", ssm.describe_sessions, State="Active")
        refused("ExpiredToken", client("sts").get_caller_identity)
        sandbox("faults", {"fault": "expire_credentials", "expired": False})
        sandbox("faults", {"fault": "refuse", "operation": "StartSession",
                           "code": "AccessDeniedException", "message": "not today"})
        words = refused("AccessDeniedException", ssm.start_session, Target="i-0123456789abcdef0")
        assert words == "not today", words
    finally:
        sandbox("faults", {"fault": "reset"})


@check("operations that are not played are refused, not answered")
def unknown_operations():
    refused("UnknownOperationException", client("ssm").list_commands)
    refused("InvalidAction", client("ec2").describe_vpcs)
    try:
        client("s3").list_buckets()
    except ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] >= 400
    else:
        raise AssertionError("S3 answered")


@check("answers hold only members that Amazon's own models know")
def models():
    strange = []

    def look(http_response, model, **_):
        body = http_response.content
        if model.service_model.protocol == "json":
            strange.extend(unknown_members(json.loads(body), model.output_shape, model.name))
        else:
            root = ElementTree.fromstring(body)
            shape, wrapper = model.output_shape, (model.output_shape.serialization or {})
            inner = wrapper.get("resultWrapper")
            element = root.find(f"{{*}}{inner}") if inner else root
            strange.extend(unknown_elements(element, shape, model.name))

    def watched(service):
        made = client(service)
        made.meta.events.register(f"after-call.{service}", look)
        return made

    ssm, ec2, sts, kms = map(watched, ["ssm", "ec2", "sts", "kms"])
    target = node("prod-storefront-01")
    information(ssm)
    started = ssm.start_session(Target=target)
    ssm.resume_session(SessionId=started["SessionId"])
    ssm.terminate_session(SessionId=started["SessionId"])
    ssm.describe_sessions(State="History")
    ssm.get_connection_status(Target=target)
    ssm.get_document(Name="AWS-StartSSHSession")
    instances(ec2)
    ec2.describe_regions()
    sts.get_caller_identity()
    sts.assume_role(RoleArn="arn:aws:iam::111122223333:role/Viewer", RoleSessionName="peers")
    key = kms.generate_data_key(KeyId="alias/session-manager", NumberOfBytes=32)
    kms.decrypt(CiphertextBlob=key["CiphertextBlob"])
    assert not strange, sorted(set(strange))


def unknown_members(value, shape, where):
    """Names in a JSON answer that its shape does not have."""
    if value is None:
        return []
    if shape.type_name == "structure":
        known = shape.members
        return [f"{where}.{name}" for name in value if name not in known] + [
            found for name in value if name in known
            for found in unknown_members(value[name], known[name], f"{where}.{name}")]
    if shape.type_name == "list":
        return [found for each in value
                for found in unknown_members(each, shape.member, where)]
    return []


def unknown_elements(element, shape, where):
    """The same for XML, where every member has a name of its own on the wire."""
    if shape.type_name == "structure":
        known = {each.serialization.get("name", name): each for name, each in shape.members.items()}
        found = []
        for child in element:
            name = child.tag.rpartition("}")[2]
            if name in ("requestId", "ResponseMetadata"):
                continue
            if name not in known:
                found.append(f"{where}.{name}")
            else:
                found += unknown_elements(child, known[name], f"{where}.{name}")
        return found
    if shape.type_name == "list":
        return [found for child in element
                for found in unknown_elements(child, shape.member, where)]
    return []


run()
