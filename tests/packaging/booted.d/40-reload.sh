# What a reload takes and refuses is what systemctl says.
before=$(pid)
configure <<<"drain_timeout = soon"
must_not "refuses to reload a faulty file" systemctl reload $unit
must "names line and value" says 'conf:4: drain_timeout: invalid value "soon"' journal
must "says that the old one stays in force" is StatusText \
	"ready; the new configuration is faulty, the old one stays in force"
must "is still active" is ActiveState active
must "goes on as before" send smtp "after a refused reload" --tag booking-1
must "and cancels" got cancelled "after a refused reload"
must "and still says so" soon says "the old one stays in force" property StatusText

configure <<<"drain_timeout = 20s"
install -m 0400 -o cancel-invite /dev/stdin $conf/api.key <<<CRN_two
must "reloads a right one" systemctl reload $unit
must "says so" is StatusText "ready; the new configuration is in force"
must "is active again" is ActiveState active
must "is the same process" is MainPID "$before"
must "works with the new key" send smtp "with the new key" --tag booking-1
must "and cancels" got cancelled "with the new key"
chown root $conf/api.key
must "warns of a key that it cannot read any more" soon says "a reload will fail" \
	cancel-invite-milter -n
must_not "and fails to reload it" systemctl reload $unit
chown cancel-invite $conf/api.key
