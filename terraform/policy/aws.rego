# What resources of AWS must say, in so many words: a line of security is a literal, never a value that an environment chooses. What may
# be chosen is `protected` alone, which is true unless an environment says otherwise. Denials name the resource and the field.
package visapi

import rego.v1

resources contains r if {
	some r in input.objects
}

title(r) := sprintf("%s.%s", [r.kind, r.name])

# By kind: paths of arguments with the value that each must have.
required := {
	"aws_kms_key": {"enable_key_rotation": true},
	"aws_db_instance": {
		"storage_encrypted": true,
		"publicly_accessible": false,
		"manage_master_user_password": true,
		"deletion_protection": "${var.protected}",
		"skip_final_snapshot": "${!var.protected}",
		"delete_automated_backups": false,
		"iam_database_authentication_enabled": true,
		"performance_insights_enabled": true,
		"kms_key_id": "${var.kms_key_arn}",
		"master_user_secret_kms_key_id": "${var.kms_key_arn}",
		"performance_insights_kms_key_id": "${var.kms_key_arn}",
		"backup_retention_period": "${var.backup_days}",
	},
	"aws_s3_bucket": {"force_destroy": "${!var.protected}"},
	"aws_s3_bucket_public_access_block": {
		"block_public_acls": true,
		"block_public_policy": true,
		"ignore_public_acls": true,
		"restrict_public_buckets": true,
	},
	"aws_s3_bucket_ownership_controls": {"rule.object_ownership": "BucketOwnerEnforced"},
	"aws_s3_bucket_versioning": {"versioning_configuration.status": "Enabled"},
	"aws_s3_bucket_server_side_encryption_configuration": {
		"rule.apply_server_side_encryption_by_default.sse_algorithm": "aws:kms",
		"rule.apply_server_side_encryption_by_default.kms_master_key_id": "${var.kms_key_arn}",
	},
	"aws_secretsmanager_secret": {"kms_key_id": "${var.kms_key_arn}"},
	"aws_secretsmanager_secret_policy": {"block_public_policy": true},
	"aws_ecr_repository": {
		"image_tag_mutability": "IMMUTABLE",
		"force_delete": "${!var.protected}",
		"image_scanning_configuration.scan_on_push": true,
		"encryption_configuration.encryption_type": "KMS",
		"encryption_configuration.kms_key": "${var.kms_key_arn}",
	},
	"aws_eks_cluster": {
		"vpc_config.endpoint_private_access": true,
		"vpc_config.endpoint_public_access": "${length(var.public_access_cidrs) > 0}",
		"encryption_config.provider.key_arn": "${var.kms_key_arn}",
		"access_config.authentication_mode": "API",
		"access_config.bootstrap_cluster_creator_admin_permissions": false,
	},
	"aws_launch_template": {
		"metadata_options.http_tokens": "required",
		"metadata_options.http_put_response_hop_limit": 1,
		"block_device_mappings.ebs.encrypted": true,
	},
	"aws_cloudwatch_log_group": {"kms_key_id": "${var.kms_key_arn}"},
	"aws_flow_log": {"traffic_type": "ALL"},
	"supabase_settings": {"ssl_enforcement": true},
	"helm_release": {"atomic": true},
}

# By kind: texts that stand somewhere in the resource.
contained := {
	"aws_s3_bucket_policy": {"aws:SecureTransport = false", "s3:TlsVersion = 1.2"},
	"aws_secretsmanager_secret_policy": {"aws:SecureTransport = false"},
	"aws_eks_cluster": {"audit", "authenticator", "secrets"},
}

deny contains sprintf("%s: %s is not %v", [title(r), path, wanted]) if {
	some r in resources
	some path, wanted in required[r.kind]
	object.get(r.fields, path, []) != [wanted]
}

deny contains sprintf("%s: %s is missing", [title(r), text]) if {
	some r in resources
	some text in contained[r.kind]
	not contains(r.text, text)
}

# These policies forbid; nothing in them allows.
deny contains sprintf("%s: allows something", [title(r)]) if {
	some r in resources
	r.kind in {"aws_s3_bucket_policy", "aws_secretsmanager_secret_policy"}
	contains(r.text, "Effect = Allow")
}

# Parameters of the database stand as `name=value`.
deny contains sprintf("%s: %s is missing", [title(r), wanted]) if {
	some r in resources
	r.kind == "aws_db_parameter_group"
	some wanted in {"rds.force_ssl=1", "password_encryption=scram-sha-256", "synchronous_commit=on"}
	not wanted in r.parameters
}

# Whoever may assume a role is one service of AWS.
deny contains sprintf("%s: anybody may take the role", [title(r)]) if {
	some r in resources
	r.kind in {"aws_iam_role", "locals"}
	contains(r.text, "Principal = *")
}

# No rule of a security group names addresses.
deny contains sprintf("%s: names addresses, not a security group", [title(r)]) if {
	some r in resources
	r.kind in {"aws_vpc_security_group_ingress_rule", "aws_security_group"}
	some field in {"cidr_ipv4", "cidr_ipv6", "ingress", "cidr_blocks"}
	r.fields[field]
}

# No password in an argument that ends in a state.
deny contains sprintf("%s: %s ends in the state", [title(r), field]) if {
	some r in resources
	startswith(r.kind, "aws_")
	some field in {"password", "secret_string", "master_password", "secret_binary"}
	r.fields[field]
}

# Each module that has data has what guards it.
companions := {
	"aws_s3_bucket": {"aws_s3_bucket_public_access_block", "aws_s3_bucket_policy", "aws_s3_bucket_versioning", "aws_s3_bucket_server_side_encryption_configuration", "aws_s3_bucket_ownership_controls"},
	"aws_vpc": {"aws_flow_log", "aws_default_security_group"},
	"aws_secretsmanager_secret": {"aws_secretsmanager_secret_policy"},
	"aws_db_instance": {"aws_db_parameter_group"},
	"supabase_project": {"supabase_settings"},
}

deny contains sprintf("%s: there is no %s", [title(r), kind]) if {
	some r in resources
	some kind in companions[r.kind]
	count({1 | some other in resources; other.kind == kind}) == 0
}
