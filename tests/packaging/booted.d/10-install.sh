# The package is installed, and there is no key yet.
must "there is no procps" test ! -e /bin/kill
must "is installed" apt-get -q -y -o Dpkg::Use-Pty=0 install /test/older.deb
must "is the earlier release" says 0.1.9 dpkg-query -W cancel-invite-milter
must "is enabled" systemctl is-enabled $unit
must "waits for a key" is ActiveState inactive
must "which is no failure" is Result success
must "and can be seen" says "condition" systemctl status $unit
must "no unit has failed" says "[]" echo "[$(systemctl --failed --plain --no-legend)]"
must "is fine for systemd" says "[]" echo "[$(systemd-analyze verify $unit 2>&1 | grep cancel-invite |
	grep -v 'Command .man ')]"
