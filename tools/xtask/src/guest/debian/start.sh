#!/bin/sh
# Prepares the guest: file systems, drivers. Then does what the kernel's command line says after `pagurus.run=`, and
# powers off; without it a shell comes next.
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /tmp
hostname guest
ip link set lo up
while read -r module; do
    insmod "/lib/modules/$module.ko" || echo "driver $module could not be loaded"
done < /lib/modules/order

# pagurus.run="..." or "pagurus.run=..." or pagurus.run=WORD
wanted=$(sed -n -e 's/.*pagurus\.run="\([^"]*\)".*/\1/p;t' -e 's/.*"pagurus\.run=\([^"]*\)".*/\1/p;t' -e 's/.*pagurus\.run=\([^ ]*\).*/\1/p' /proc/cmdline)

echo "PAGURUS GUEST READY"
if [ -n "$wanted" ]; then
    sh -c "$wanted"
    echo "PAGURUS GUEST DONE $?"
    poweroff -f
fi
