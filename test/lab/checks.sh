#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Health checks against real servers, by the host's own route to them: a storescp, a dcmqrscp and an Orthanc;
# python3-hl7's listener; Orthanc's web server. They are killed, stopped, started, and they refuse.
# shellcheck source=test/lab/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=test/lab/health.sh
. "$lab_here/health.sh"

lab_begin storescp dcmqrscp Orthanc echoscu
/usr/bin/python3 -c 'import hl7.mllp' 2>/dev/null || lab_skip 'python3-hl7 is not installed (scripts/setup)'

# The kernel beside gantry has an address on the wire, and no other way out.
ip -n "$lab_id-lb" address add 192.0.2.3/24 dev eth0
mkdir "$lab_dir/store" "$lab_dir/orthanc"

cat >"$lab_dir/gantry.ini" <<END
[gantry]
name = $lab_id
hugepages = no
control = $lab_dir/gantry.sock
[interface lan]
device = $(lab_device af_packet)
address = 192.0.2.2/24
gateway = 192.0.2.250

[check echo]
type = dicom
called_aet = ARCHIVE
interval = 1s
timeout = 500ms
[check strict]
type = dicom
called_aet = NOBODY
interval = 1s
timeout = 500ms
[check lenient]
type = dicom
called_aet = NOBODY
on_reject = up
interval = 1s
timeout = 500ms
[check feed]
type = hl7
interval = 1s
timeout = 500ms
[check page]
type = http
path = /system
expect_body = "DicomAet"
interval = 1s
timeout = 1s
[check connect]
type = tcp
interval = 1s
timeout = 500ms
END
vip() { # NAME ADDRESS PORT CHECK SERVER=ADDRESS... [MODE]
	local name=$1 server
	printf '\n[vip %s]\ninterface = lan\naddress = %s\nport = %s\ncheck = %s\n' "$name" "$2" "$3" "$4"
	shift 4
	for server; do
		case $server in
		*=*) printf '[server %s/%s]\naddress = %s\n' "$name" "${server%%=*}" "${server#*=}" ;;
		*) printf 'mode = %s\n' "$server" ;;
		esac
	done
}
archives='pacs1=192.0.2.11 pacs2=192.0.2.12 pacs3=192.0.2.13'
{
	# shellcheck disable=SC2086 # a list
	vip pacs $lab_vip4 11112 echo $archives
	# shellcheck disable=SC2086
	vip again 192.0.2.101 11112 echo $archives
	vip strict 192.0.2.102 11112 strict pacs1=192.0.2.11 pacs2=192.0.2.12
	vip lenient 192.0.2.103 11112 lenient pacs2=192.0.2.12
	vip feed $lab_vip4 2575 feed good=192.0.2.11 bad=192.0.2.12
	vip web $lab_vip4 8042 page pacs3=192.0.2.13 other=192.0.2.11
	vip plain $lab_vip4 5000 connect open=192.0.2.11 shut=192.0.2.12 absent=192.0.2.99
	vip far 192.0.2.104 5000 connect nat away=198.51.100.9
} >>"$lab_dir/gantry.ini"

start_storescp() {
	lab_start storescp pacs1 storescp -v --fork -aet ARCHIVE -od "$lab_dir/store" 11112
	storescp=$lab_pid
}
start_storescp
cat >"$lab_dir/qr.cfg" <<END
NetworkTCPPort = 11112
MaxPDUSize = 16384
MaxAssociations = 16
HostTable BEGIN
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
ARCHIVE $lab_dir/store RW (10, 1024mb) ANY
AETable END
END
lab_start dcmqrscp pacs2 dcmqrscp -v -c "$lab_dir/qr.cfg"
dcmqrscp=$lab_pid
cat >"$lab_dir/orthanc.json" <<END
{"StorageDirectory": "$lab_dir/orthanc", "IndexDirectory": "$lab_dir/orthanc", "HttpPort": 8042,
 "RemoteAccessAllowed": true, "AuthenticationEnabled": false, "DicomPort": 11112, "DicomAet": "ARCHIVE",
 "DicomCheckCalledAet": true, "Plugins": []}
END
lab_start orthanc pacs3 Orthanc "$lab_dir/orthanc.json"
peer() { # LOG NODE WHAT ARGUMENTS...
	local log=$1 node=$2
	shift 2
	lab_start "$log" "$node" /usr/bin/python3 "$lab_here/check_peers.py" "$@"
}
peer hl7.good pacs1 hl7 2575 AA
peer hl7.bad pacs2 hl7 2575 AE
peer accept pacs1 accept 5000
lab_start http.other pacs1 /usr/bin/python3 -m http.server 8042 -d "$lab_dir/store"
for listener in pacs1:11112 pacs2:11112 pacs3:11112 pacs1:2575 pacs2:2575 pacs1:5000 pacs1:8042 pacs3:8042; do
	lab_wait 20 lab_listens "${listener%:*}" "${listener#*:}"
done
lab_gantry

logged() { grep -qF -- "$1" "$lab_dir/log/gantry"; }

for server in pacs1 pacs2 pacs3; do
	check "$server echoes" becomes pacs/$server 'up healthy' 'C-ECHO succeeded'
done
check 'the same check for a second VIP' becomes again/pacs1 'up healthy' 'C-ECHO succeeded'
check 'a rejected association is a failure' becomes strict/pacs2 'down failed' \
	'rejected permanently: called AE title not recognized'
check 'a server that takes any title is none' becomes strict/pacs1 'up healthy'
check 'or counts as healthy, if so written' becomes lenient/pacs2 'up healthy'
check 'an HL7 engine that accepts' becomes feed/good 'up healthy'
check 'an HL7 engine that reports an error' becomes feed/bad 'down failed'
printf '      %s\n' "$(reason_of feed/bad)"
check 'a page with its text' becomes web/pacs3 'up healthy' 'HTTP status 200'
check 'a page that is not there' becomes web/other 'down failed' 'HTTP status 404'
check 'a port that is open' becomes plain/open 'up healthy' 'connected'
check 'a port that is shut' becomes plain/shut 'down failed' 'port 5000: connection refused'
check 'a host that is not there' becomes plain/absent 'down failed'
printf '      %s\n' "$(reason_of plain/absent)"
check 'no route: nothing is said about the server' becomes far/away 'up unchecked' \
	'no route from this host to 198.51.100.9: set kernel = NAME on [interface lan]'
check 'and that is told' logged 'server far/away is not checked: no route'
lab_ctl servers | sed 's/^/      /'

for log in storescp dcmqrscp; do
	check "$log has heard echoes" [ "$(grep -c 'Received Echo' "$lab_dir/log/$log")" -gt 0 ]
	check "$log has nothing to complain of" is "$(grep '^[EF]:' "$lab_dir/log/$log" || true)" ''
done

echoes() { # how many clients' echoes to the VIP succeed, of 12
	local n=0 i
	for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
		lab_in ct timeout 5 echoscu -to 3 -aec ARCHIVE $lab_vip4 11112 2>/dev/null && n=$((n + 1))
	done
	echo $n
}
down_is_told() { # VIP/SERVER WORDS
	grep -qE "server $1: down after 3 failures in [0-9.]+ s: $2" "$lab_dir/log/gantry"
}

# Stopped, it still accepts connections: only the echo finds it.
kill -STOP "$storescp"
check 'an archive that hangs is found' becomes pacs/pacs1 'down failed'
check 'with the reason' down_is_told pacs/pacs1 'no answer to A-ASSOCIATE-RQ'
check 'clients meet the others' is "$(echoes)" 12
kill -CONT "$storescp"
check 'it goes on, and is up' becomes pacs/pacs1 'up healthy'

kill -TERM "$storescp"
wait "$storescp" 2>/dev/null || true
start=${EPOCHREALTIME/./}
check 'an archive that ended is found' becomes pacs/pacs1 'down failed' 'port 11112: connection refused'
printf '      after %d ms\n' $(((${EPOCHREALTIME/./} - start) / 1000))
check 'behind both VIPs' becomes again/pacs1 'down failed'
check 'clients meet the others again' is "$(echoes)" 12
start_storescp
check 'started, it is up' becomes pacs/pacs1 'up healthy'

kill -KILL "$dcmqrscp"
wait "$dcmqrscp" 2>/dev/null || true
check 'killed outright' becomes pacs/pacs2 'down failed' 'port 11112: connection refused'

# Two VIPs ask the same of pacs1, and a third another thing: it hears two questions an interval, not three.
told() { server_of "$1" '.check.healthy + .check.failed'; }
heard() { grep -c 'Received Echo Request' "$lab_dir/log/storescp" || true; }
asked=$(($(told pacs/pacs1) + $(told strict/pacs1))) heard=$(heard)
sleep 4
heard=$(($(heard) - heard)) asked=$(($(told pacs/pacs1) + $(told strict/pacs1) - asked))
printf '      %d results of two checks, %d echoes at the archive behind three VIPs\n' $asked $heard
check 'servers that are asked the same share the question' [ $asked -ge 4 -a $heard -le $((asked + 2)) ]

check 'Orthanc has nothing to complain of' is "$(grep '^[EF]' "$lab_dir/log/orthanc" || true)" ''
# If main is late, the connection is accepted, and reset.
check 'connections that say nothing are not seen by the program' \
	[ "$(wc -l <"$lab_dir/log/accept")" -lt $(($(told plain/open) / 2)) ]
printf '      %d of %d were\n' "$(wc -l <"$lab_dir/log/accept")" "$(told plain/open)"

check_identity
check 'gantry stops on SIGTERM with exit code 0' lab_gantry_stop
lab_finish
