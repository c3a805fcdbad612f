//! Servers, and who looks after faults.

use crate::context::{Context, Found};
use pagurus_abi::Rights;
use pagurus_capdl_spec::{ObjectKind, Restarts};

/// `server-time`
pub(crate) fn server_time(context: &Context<'_>, found: &mut Found<'_>) {
    for (id, component) in context.components().filter(|(_, c)| c.is_passive()) {
        let served = context.accesses.iter().find(|a| {
            a.component == id
                && a.rights.contains(Rights::READ)
                && matches!(context.system.objects[a.object].kind, ObjectKind::Endpoint)
        });
        if let Some(access) = served {
            let endpoint = &context.system.objects[access.object];
            found.add_in(
                component.name(),
                access.span.clone(),
                format!(
                    "serves `{}` without time of its own",
                    endpoint.name.get_ref()
                ),
                "a client that ends would leave it in the middle of its work: delete `passive`",
            );
        }
    }
}

/// `endpoint-server`
pub(crate) fn endpoint_server(context: &Context<'_>, found: &mut Found<'_>) {
    for (index, object) in context.objects() {
        if !matches!(object.kind, ObjectKind::Endpoint | ObjectKind::Notification)
            || !context.receivers(index).is_empty()
        {
            continue;
        }
        let sender = context.users(index).next();
        if let Some(sender) = sender {
            found.add_in(
                context.name(sender.component),
                sender.span.clone(),
                format!(
                    "sends to the {} `{}`, but nobody receives there",
                    object.kind.noun(),
                    object.name.get_ref()
                ),
                "give the receiving component a capability with the right `r`",
            );
        }
    }
}

/// `fault-handler`
pub(crate) fn fault_handler(context: &Context<'_>, found: &mut Found<'_>) {
    for (id, component) in context.components() {
        let Some(endpoint) = context.system.fault_endpoint(component) else {
            found.add_in(
                component.name(),
                component.name.span(),
                "its faults go nowhere",
                "add `parent = \"...\"` with an endpoint for root to `[services]`, or `faults_to` here",
            );
            continue;
        };
        let Some((index, _)) = context.system.object(endpoint.get_ref()) else {
            continue;
        };
        let receivers = context.receivers(index);
        if !receivers.is_empty() && receivers.iter().all(|r| r.component == id) {
            found.add_in(
                component.name(),
                endpoint.span(),
                format!(
                    "would have to deal with its own faults at `{}`",
                    endpoint.get_ref()
                ),
                "name an endpoint of another component, or leave `faults_to` out for root",
            );
        }
    }
}

/// `restart-handler`
pub(crate) fn restart_handler(context: &Context<'_>, found: &mut Found<'_>) {
    let parent = context.system.services.parent.as_ref();
    for (_, component) in context.components() {
        let elsewhere = component
            .faults_to
            .as_ref()
            .filter(|e| Some(e.get_ref()) != parent.map(|p| p.get_ref()));
        if let (Some(endpoint), Some(restarts)) = (elsewhere, &component.restarts)
            && *restarts.get_ref() != Restarts::UpTo(0)
        {
            found.add_in(
                component.name(),
                restarts.span(),
                format!(
                    "root is to start it again, but its faults go to `{}`",
                    endpoint.get_ref()
                ),
                "whoever gets the faults decides: leave out `restarts` or `faults_to`",
            );
        }
    }
}
