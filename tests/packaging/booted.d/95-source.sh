# From source, as the README says.
cp -a /test/source/. /
rm -rf $drop_in
socket=/run/cancel-invite-milter/milter.sock
key=api.key
deluser --quiet postfix cancel-invite 2>/dev/null; deluser --quiet --system cancel-invite
systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload
must "make install: sysusers makes the user" id cancel-invite
must "tmpfiles makes the socket's folder" is_mode "750 cancel-invite cancel-invite" \
	/run/cancel-invite-milter
queued </dev/null
install -m 0400 -o cancel-invite /dev/stdin $conf/api.key <<<CRN_one
must "is content" says "no faults" cancel-invite-milter -n
must "is enabled" systemctl enable $unit
must "starts" systemctl start $unit
must "makes its stamp key" is_mode "600 cancel-invite cancel-invite" $key_of_stamps
must "reloads" systemctl reload $unit
must "stops" systemctl stop $unit
