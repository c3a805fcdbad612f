//! The tests, by subject.

mod capabilities;
mod communication;
mod faults;
mod guests;
mod interrupts;
mod memory;
mod processors;
mod scheduling;
mod timers;

use crate::report::Outcome;
use crate::world::World;

/// A test.
pub type Test = fn(&mut World) -> Outcome;

/// All tests, in the order in which they run.
pub const ALL: &[(&str, Test)] = &[
    (
        "capabilities.retype_and_give_back",
        capabilities::retype_and_give_back,
    ),
    (
        "capabilities.rights_only_shrink",
        capabilities::rights_only_shrink,
    ),
    ("capabilities.revoke_deep", capabilities::revoke_deep),
    (
        "capabilities.delete_a_full_cnode",
        capabilities::delete_a_full_cnode,
    ),
    (
        "capabilities.device_memory_stays_device",
        capabilities::device_memory_stays_device,
    ),
    ("capabilities.no_cycles", capabilities::no_cycles),
    ("capabilities.refusals", capabilities::refusals),
    ("memory.frames_are_zeroed", memory::frames_are_zeroed),
    (
        "memory.map_parts_and_large_pages",
        memory::map_parts_and_large_pages,
    ),
    (
        "memory.write_and_execute_never",
        memory::write_and_execute_never,
    ),
    (
        "memory.kernel_addresses_are_closed",
        memory::kernel_addresses_are_closed,
    ),
    (
        "memory.a_large_frame_is_zeroed_in_steps",
        memory::a_large_frame_is_zeroed_in_steps,
    ),
    (
        "communication.call_and_reply",
        communication::call_and_reply,
    ),
    ("communication.badges", communication::badges),
    (
        "communication.capabilities_travel",
        communication::capabilities_travel,
    ),
    ("communication.long_messages", communication::long_messages),
    ("communication.notifications", communication::notifications),
    (
        "communication.bound_notification",
        communication::bound_notification,
    ),
    (
        "communication.destroyed_partner",
        communication::destroyed_partner,
    ),
    (
        "faults.page_fault_is_a_message",
        faults::page_fault_is_a_message,
    ),
    (
        "faults.every_exception_is_contained",
        faults::every_exception_is_contained,
    ),
    ("faults.handler_decides", faults::handler_decides),
    (
        "faults.fpu_is_closed_unless_asked_for",
        faults::fpu_is_closed_unless_asked_for,
    ),
    ("scheduling.priorities", scheduling::priorities),
    ("scheduling.round_robin", scheduling::round_robin),
    ("scheduling.budgets_hold", scheduling::budgets_hold),
    (
        "scheduling.fpu_registers_are_private",
        scheduling::fpu_registers_are_private,
    ),
    (
        "scheduling.suspend_and_resume",
        scheduling::suspend_and_resume,
    ),
    (
        "scheduling.threads_made_and_ended_1000_times",
        scheduling::threads_made_and_ended,
    ),
    ("interrupts.clock_rings", interrupts::clock_rings),
    (
        "timers.fire_once_and_not_before_their_time",
        timers::fire_once,
    ),
    ("timers.armed_again_and_disarmed", timers::armed_again),
    ("timers.end_while_armed", timers::end_while_armed),
    ("timers.end_a_receive", timers::end_a_receive),
    (
        "timers.preempt_the_less_important",
        timers::preempt_the_less_important,
    ),
    ("timers.many_fire_in_order", timers::many_fire_in_order),
    ("timers.on_every_processor", timers::on_every_processor),
    (
        "processors.wake_up_elsewhere",
        processors::wake_up_elsewhere,
    ),
    ("processors.call_across", processors::call_across),
    ("processors.shoot_down", processors::shoot_down),
    (
        "processors.stop_a_running_thread",
        processors::stop_a_running_thread,
    ),
    ("processors.revoke_under_way", processors::revoke_under_way),
    ("guests.every_exit_is_told", guests::every_exit_is_told),
    (
        "guests.memory_is_what_is_mapped",
        guests::memory_is_what_is_mapped,
    ),
    (
        "guests.interrupts_are_delivered",
        guests::interrupts_are_delivered,
    ),
    ("guests.what_no_guest_may_do", guests::what_no_guest_may_do),
    (
        "guests.a_guest_that_spins_is_no_trouble",
        guests::a_guest_that_spins_is_no_trouble,
    ),
    (
        "guests.guests_share_a_processor",
        guests::guests_share_a_processor,
    ),
];
