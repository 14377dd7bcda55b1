//! How activities begin, go on and end, and who is told. Start at [`Groups::begin_activity`].

use super::Groups;
use super::activity::{Activity, ActivityKind, ActivityStatus, Details, Way};
use super::notice::{NotificationType, activity_notice};
use crate::clock::Timestamp;
use crate::engine::names::{ActivityId, GroupName, InstanceId};

impl Groups {
    #[expect(clippy::too_many_arguments, reason = "an activity is told everything when it begins")]
    pub(super) fn begin_activity(
        &mut self,
        now: Timestamp,
        name: &GroupName,
        kind: ActivityKind,
        instance: Option<&InstanceId>,
        title: String,
        cause: String,
        details: Details,
    ) -> ActivityId {
        let id = ActivityId(self.ids.activities.uuid());
        if let Some(member) =
            instance.and_then(|id| self.instances.get_mut(id)).and_then(|instance| instance.membership.as_mut())
        {
            member.activity = Some(id.clone());
        }
        if let Some(group) = self.groups.get_mut(name) {
            group.drop_old_activities(now);
            group.activities.push_back(Activity {
                id: id.clone(),
                group: name.clone(),
                group_arn: group.arn.clone(),
                kind,
                way: if kind == ActivityKind::Launch { Way::LAUNCH } else { Way::TERMINATION },
                instance: instance.cloned(),
                title,
                cause,
                started_at: now,
                ended_at: None,
                status: ActivityStatus::InProgress,
                status_message: None,
                progress: 50,
                held_by_hook: false,
                details,
            });
        }
        id
    }

    /// The activity that an instance is in.
    pub(super) fn current_activity(&mut self, id: &InstanceId) -> Option<&mut Activity> {
        let member = self.instances.get(id)?.membership.as_ref()?;
        self.groups.get_mut(&member.group)?.activity_mut(member.activity.as_ref()?.as_str())
    }

    /// Moves the activity that an instance is in to another status.
    pub(super) fn update_activity(&mut self, id: &InstanceId, status: ActivityStatus, progress: u8) {
        if let Some(activity) = self.current_activity(id) {
            activity.status = status;
            activity.progress = progress;
        }
    }

    /// Ends the activity that an instance is in, if it is in one.
    pub(super) fn end_current_activity(
        &mut self,
        now: Timestamp,
        id: &InstanceId,
        status: ActivityStatus,
        message: Option<String>,
    ) {
        let Some(member) = self.instances.get_mut(id).and_then(|instance| instance.membership.as_mut()) else { return };
        let (name, activity) = (member.group.clone(), member.activity.take());
        if let Some(activity) = activity {
            self.end_activity(now, &name, &activity, status, message);
        }
    }

    pub(super) fn end_activity(
        &mut self,
        now: Timestamp,
        name: &GroupName,
        id: &ActivityId,
        status: ActivityStatus,
        message: Option<String>,
    ) {
        let Some(group) = self.groups.get_mut(name) else { return };
        let Some(activity) = group.activity_mut(id.as_str()) else { return };
        activity.end(now, status, message);
        let kind = NotificationType::of(activity);
        let told = group.notifications.iter().filter(|(_, kinds)| kinds.contains(&kind));
        let told: Vec<_> = told.map(|(topic, _)| topic.clone()).collect();
        if let Some(activity) = group.activity_mut(id.as_str()).filter(|_| !told.is_empty()) {
            let notice = activity_notice(&self.place, activity);
            told.into_iter().for_each(|topic_arn| self.notify(topic_arn, notice.clone()));
        }
    }
}
