-- cancel-invite-milter in queued mode: OpenDKIM leaves tagged mail alone where it comes in, because
-- the filter still changes it. At the second listener the tag is gone, and it is signed there.
--
--     opendkim.conf:  SetupPolicyScript /etc/opendkim/leave-tagged-mail.lua
--
-- The name is "header" in cancel-invite-milter.conf.
if odkim.get_header(ctx, "X-Cancel-Invite", 0) ~= nil then
	odkim.set_result(ctx, SMFIS_ACCEPT)
end
