//! How an EC2 operation enters the table: every one of them takes `DryRun` and answers it the same way.

/// `operation!(operations, vpc::create, CreateVpc: "Creates a VPC.", takes CidrBlock TagSpecifications)` registers the
/// handler with the typed input of the service model, whose dry run it answers first.
macro_rules! operation {
    ($operations:expr, $handler:path, $input:ident $name:literal: $does:literal, takes $($member:ident)*) => {
        $operations.on(
            $name,
            $does,
            &["DryRun", $(stringify!($member)),*],
            |region, call, input: $crate::sandbox::models::ec2::$input| {
                $crate::sandbox::services::ec2::error::dry_run(input.dry_run)?;
                $handler(region, call, input)
            },
        )
    };
}

/// The few operations whose request has no `DryRun`.
macro_rules! operation_without_dry_run {
    ($operations:expr, $handler:path, $name:literal: $does:literal, takes $($member:ident)*) => {
        $operations.on($name, $does, &[$(stringify!($member)),*], $handler)
    };
}

/// The narrowing members of a Describe request: `ask!(input.vpc_ids)`, or `ask!(input)` where none names resources.
macro_rules! ask {
    ($input:ident.$ids:ident) => {
        $crate::sandbox::services::ec2::select::Ask {
            ids: $input.$ids,
            filters: $input.filters,
            max_results: $input.max_results,
            next_token: $input.next_token,
        }
    };
    ($input:ident) => {
        $crate::sandbox::services::ec2::select::Ask {
            ids: None,
            filters: $input.filters,
            max_results: $input.max_results,
            next_token: $input.next_token,
        }
    };
}

pub(super) use {ask, operation, operation_without_dry_run};
