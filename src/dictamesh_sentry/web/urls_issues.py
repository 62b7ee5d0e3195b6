"""URLs of the issues pages."""

from __future__ import annotations

from django.urls import URLPattern, path, re_path

from dictamesh_sentry.web.views import (
    events,
    issues,
    issues_actions,
    issues_detail,
    issues_personal,
    issues_tabs,
    share,
)

_LIST = "organizations/<slug:org>/issues/"
_ISSUE = f"{_LIST}<str:issue_id>/"

urlpatterns: list[URLPattern] = [
    path("share/issue/<str:share_id>/", share.shared_issue, name="shared-issue"),
    path("organizations/<slug:org>/palette/", issues.palette, name="palette"),
    path(_LIST, issues.issue_list, name="issues"),
    path(f"{_LIST}new-count/", issues.new_count, name="issues-new-count"),
    path(f"{_LIST}complete/", issues.complete, name="issues-complete"),
    path(f"{_LIST}bulk/", issues_actions.bulk, name="issues-bulk"),
    path(f"{_LIST}searches/", issues_personal.save_search, name="saved-search-new"),
    path(f"{_LIST}searches/<int:search_id>/delete/", issues_personal.delete_search, name="saved-search-delete"),
    path(_ISSUE, issues_detail.issue_detail, name="issue"),
    path(f"{_ISSUE}events/", issues_tabs.events, name="issue-events"),
    path(f"{_ISSUE}events/<str:event_id>/", issues_detail.issue_detail, name="issue-event"),
    path(f"{_ISSUE}events/<str:event_id>/json/", events.event_json, name="event-json"),
    path(f"{_ISSUE}events/<str:event_id>/markdown/", events.event_as_markdown, name="event-markdown"),
    path(f"{_ISSUE}tags/", issues_tabs.tags, name="issue-tags"),
    path(f"{_ISSUE}tags/<path:key>/", issues_tabs.tag_detail, name="issue-tag"),
    path(f"{_ISSUE}activity/", issues_tabs.activity, name="issue-activity"),
    path(f"{_ISSUE}feedback/", issues_tabs.feedback, name="issue-feedback"),
    path(f"{_ISSUE}attachments/", issues_tabs.attachments, name="issue-attachments"),
    path(f"{_ISSUE}attachments/<int:attachment_id>/", events.attachment, name="attachment"),
    path(f"{_ISSUE}grouping/", issues_tabs.grouping, name="issue-grouping"),
    path(f"{_ISSUE}update/", issues_actions.update, name="issue-update"),
    path(f"{_ISSUE}share/", issues_actions.share, name="issue-share"),
    path(f"{_ISSUE}unmerge/", issues_actions.unmerge, name="issue-unmerge"),
    path(f"{_ISSUE}comments/", issues_actions.add_comment, name="comment-new"),
    path(f"{_ISSUE}comments/<int:activity_id>/", issues_actions.change_comment, name="comment"),
    re_path(
        r"^organizations/(?P<org>[-\w]+)/issues/(?P<issue_id>[^/]+)/(?P<name>assign|archive|resolve|delete|discard)/$",
        issues_actions.dialog,
        name="issue-dialog",
    ),
]
