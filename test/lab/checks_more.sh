#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Health checks by https, icmp and exec: nginx with certificates that openssl makes, good and bad ones; kernels
# that answer pings, and that are kept from it by nft; programs that succeed, fail, hang, flood and leave children.
# shellcheck source=test/lab/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=test/lab/health.sh
. "$lab_here/health.sh"

lab_begin nginx openssl nft
ip -n "$lab_id-lb" address add 192.0.2.3/24 dev eth0
lab_sysctl lb net/ipv6/conf/eth0/disable_ipv6=0
ip -n "$lab_id-lb" address add 2001:db8::3/64 dev eth0 nodad

# ---- certificates: an authority, and what it signed ----
mkdir "$lab_dir/tls"
cd "$lab_dir/tls"
quietly() { "$@" >>"$lab_dir/log/openssl" 2>&1; }
quietly openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj '/CN=Hospital CA' -keyout ca.key -out ca.pem
: >index.txt
cat >ca.cnf <<END
[ca]
default_ca = own
[own]
dir = $lab_dir/tls
database = \$dir/index.txt
new_certs_dir = \$dir
certificate = \$dir/ca.pem
private_key = \$dir/ca.key
rand_serial = yes
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
END
sign() { # NAME SUBJECT-ALTERNATIVE-NAMES [START END]
	quietly openssl req -newkey rsa:2048 -nodes -subj "/CN=$1" -addext "subjectAltName=$2" -keyout "$1.key" -out "$1.csr"
	quietly openssl ca -batch -config ca.cnf -notext -startdate "${3:-20200101000000Z}" -enddate "${4:-20991231000000Z}" \
		-in "$1.csr" -out "$1.pem"
}
sign good 'DNS:pacs.example.org,IP:192.0.2.11'
sign expired 'IP:192.0.2.11' 20200101000000Z 20210228120000Z
sign early 'IP:192.0.2.11' 20980101000000Z 20991231000000Z
sign v6 'IP:2001:db8::12'
quietly openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj '/CN=selfmade' -addext 'subjectAltName=IP:192.0.2.11' \
	-keyout selfmade.key -out selfmade.pem
cd "$OLDPWD"

# One web server of a certificate each: site PORT NAME
site() {
	cat <<END
server {
	listen $1 ssl;
	listen [::]:$1 ssl;
	ssl_certificate $lab_dir/tls/$2.pem;
	ssl_certificate_key $lab_dir/tls/$2.key;
	location / { return 200 'name $2 sni "\$ssl_server_name" of \$ssl_protocol'; }
	location /sick { return 503; }
}
END
}
cat >"$lab_dir/nginx.conf" <<END
daemon off;
worker_processes 1;
user root;
pid $lab_dir/nginx.pid;
error_log $lab_dir/log/nginx.errors info;
events {}
http {
access_log $lab_dir/log/nginx.access;
client_body_temp_path $lab_dir/tls/t1;
proxy_temp_path $lab_dir/tls/t2;
fastcgi_temp_path $lab_dir/tls/t3;
uwsgi_temp_path $lab_dir/tls/t4;
scgi_temp_path $lab_dir/tls/t5;
ssl_protocols TLSv1.2 TLSv1.3;
$(site 8443 good)
$(site 8444 expired)
$(site 8445 selfmade)
$(site 8446 early)
$(site 8447 v6)
server {
	listen 8448 ssl;
	ssl_protocols TLSv1.2;
	ssl_certificate $lab_dir/tls/good.pem;
	ssl_certificate_key $lab_dir/tls/good.key;
	location / { return 200 'of \$ssl_protocol'; }
}
server { listen 8080; location / { return 200 'plain'; } }
}
END
lab_start nginx pacs1 nginx -e "$lab_dir/log/nginx.errors" -c "$lab_dir/nginx.conf"
nginx=$lab_pid
lab_start nginx2 pacs2 sh -c 'sed -e "s,nginx.pid,nginx2.pid," "$1/nginx.conf" >"$1/nginx2.conf"; exec nginx -e "$1/log/nginx2.errors" -c "$1/nginx2.conf"' sh "$lab_dir"
# It accepts, and never says a word.
lab_start mute pacs1 socat -u TCP-LISTEN:8449,fork,reuseaddr OPEN:/dev/null

# ---- programs ----
program() { # NAME; its text comes on stdin
	{ echo '#!/bin/sh'; cat; } >"$lab_dir/$1"
	chmod +x "$lab_dir/$1"
}
program good <<END
{ env; echo "arguments: \$#: \$1|\$2"; grep Cpus_allowed_list /proc/self/status
grep -E 'SigBlk|SigIgn' /proc/self/status; echo "group \$(cut -d' ' -f5 /proc/\$\$/stat) of \$\$"
for fd in /proc/\$\$/fd/*; do echo "fd \${fd##*/} \$(readlink "\$fd")"; done; } >"$lab_dir/seen.tmp"
mv "$lab_dir/seen.tmp" "$lab_dir/seen"
echo all is well >&2
END
program bad <<'END'
echo first >&2
echo 'queue is 4711 deep' >&2
exit 3
END
program hang <<'END'
echo waiting for the archive >&2
sleep 1234 &
sleep 1234
END
program flood <<'END'
while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy >&2; done
END
program crash <<'END'
kill -SEGV $$
END
program leave <<'END'
sleep 1235 &
exit 0
END

cat >"$lab_dir/gantry.ini" <<END
[gantry]
name = $lab_id
hugepages = no
control = $lab_dir/gantry.sock
[interface lan]
device = $(lab_device af_packet)
address = 192.0.2.2/24, 2001:db8::2/64
END
checked() { # NAME TYPE KEY=VALUE...
	local name=$1 key
	printf '\n[check %s]\ntype = %s\ninterval = 1s\ntimeout = 500ms\n' "$name" "$2"
	shift 2
	for key; do printf '%s\n' "$key"; done
}
ports=20000
vip() { # CHECK SERVER-ADDRESS [VIP-ADDRESS]
	ports=$((ports + 1))
	printf '\n[vip %s]\ninterface = lan\naddress = %s\nport = %s\ncheck = %s\n[server %s/s]\naddress = %s\n' \
		"$1" "${3:-$lab_vip4}" $ports "$1" "$1" "$2"
}
own="ca_file=$lab_dir/tls/ca.pem"
{
	checked by_name https port=8443 "$own" host=pacs.example.org 'expect_body=sni "pacs.example.org" of TLSv1.3'
	checked by_address https port=8443 "$own" 'expect_body=sni "" of TLSv1.3'
	checked other_name https port=8443 "$own" host=ris.example.org
	checked expired https port=8444 "$own"
	checked selfmade https port=8445 "$own"
	checked selfmade_known https port=8445 "ca_file=$lab_dir/tls/selfmade.pem"
	checked early https port=8446 "$own"
	checked unknown https port=8443
	checked blind https port=8444 verify=no expect_body=expired
	checked tls12 https port=8448 "$own" 'expect_body=of TLSv1.2'
	checked sick https port=8443 "$own" path=/sick
	checked plain https port=8080 "$own"
	checked mute https port=8449 "$own"
	checked shut https port=8450 "$own"
	checked v6 https port=8447 "$own"
	checked echo4 icmp
	checked echo6 icmp
	checked absent icmp
	checked silenced icmp
	for name in good bad hang flood crash leave; do
		words=
		[ $name != good ] || words=" 'a b' \"c\\\"d\""
		checked x_$name exec "command=$lab_dir/$name$words"
	done
	for name in by_name by_address other_name expired selfmade selfmade_known early unknown blind tls12 sick plain mute shut echo4 \
		x_good x_bad x_hang x_flood x_crash x_leave; do
		vip $name 192.0.2.11
	done
	vip absent 192.0.2.99
	vip silenced 192.0.2.13
	vip echo6 2001:db8::11 $lab_vip6
	vip v6 2001:db8::12 $lab_vip6
} >>"$lab_dir/gantry.ini"
for port in 8443 8448 8449; do
	lab_wait 20 lab_listens pacs1 $port
done
lab_wait 20 lab_listens pacs2 8447

lab_gantry

check 'https by a name, with SNI' becomes by_name/s 'up healthy' 'HTTP status 200, the body holds'
check 'https by an address, without' becomes by_address/s 'up healthy' 'HTTP status 200, the body holds'
check 'https by an IPv6 address' becomes v6/s 'up healthy' 'HTTP status 200'
check 'TLS 1.2' becomes tls12/s 'up healthy' 'HTTP status 200, the body holds'
check 'a certificate that is trusted as such' becomes selfmade_known/s 'up healthy'
check 'verify = no takes an expired one' becomes blind/s 'up healthy' 'HTTP status 200, the body holds'
check 'another name' becomes other_name/s 'down failed' 'certificate is for pacs.example.org, not ris.example.org'
check 'expired' becomes expired/s 'down failed' 'certificate expired on 2021-02-28'
check 'not valid yet' becomes early/s 'down failed' 'certificate is not valid before 2098-01-01'
check 'self-signed' becomes selfmade/s 'down failed' 'certificate is self-signed'
check 'by an authority that nobody knows' becomes unknown/s 'down failed' 'certificate is by an authority that is not known'
check 'a page that fails' becomes sick/s 'down failed' 'HTTP status 503'
check 'a port without TLS' becomes plain/s 'down failed' 'the server does not speak TLS on this port'
check 'a server that says nothing' becomes mute/s 'down failed' 'no answer to TLS handshake'
check 'a port that is shut' becomes shut/s 'down failed' 'port 8450: connection refused'
check 'nginx has nothing to complain of but refused certificates' is "$(grep -aE \
	'\[(warn|error|crit|alert|emerg)\]|peer closed|SSL_(read|write|shutdown)\(\) failed' "$lab_dir/log/nginx.errors" || true)" ''

check 'ping' becomes echo4/s 'up healthy' 'answers ICMP echo'
check 'ping by IPv6' becomes echo6/s 'up healthy' 'answers ICMP echo'
check 'ping to nobody' becomes absent/s 'down failed' 'no answer to ICMP echo'
check 'ping of one more' becomes silenced/s 'up healthy'
lab_in pacs3 nft 'add table ip t; add chain ip t in { type filter hook input priority 0; }; add rule ip t in icmp type echo-request drop'
check 'a server that drops pings' becomes silenced/s 'down failed' 'no answer to ICMP echo'
lab_in pacs3 nft delete table ip t
check 'and answers again' becomes silenced/s 'up healthy'
ip -n "$lab_id-pacs3" link set dev eth0 down
check 'a server whose link is down' becomes silenced/s 'down failed' 'no answer to ICMP echo'
check 'one raw socket of each family, for this host has no ping sockets' \
	is "$(lab_in lb ss -Hwan | wc -l)" 2

check 'a program that succeeds' becomes x_good/s 'up healthy' 'exit code 0: all is well'
check 'a program that fails' becomes x_bad/s 'down failed' 'exit code 3: queue is 4711 deep'
check 'a program that hangs' becomes x_hang/s 'down failed' 'killed: no end within 500 ms: waiting for the archive'
check 'a program that floods' becomes x_flood/s 'down failed' 'killed: it wrote more than 256 KiB'
check 'a program that crashes' becomes x_crash/s 'down failed' 'ended by signal SEGV'
check 'a program that leaves a child' becomes x_leave/s 'up healthy' 'exit code 0'
seen() { grep -F -x -- "$1" "$lab_dir/seen" >/dev/null || { sed 's/^/      /' "$lab_dir/seen"; return 1; }; }
for line in GANTRY_VIP=x_good GANTRY_SERVER=s GANTRY_ADDRESS=192.0.2.11 'arguments: 2: a b|c"d' \
	$'SigBlk:\t0000000000000000'; do
	check "it sees $line" seen "$line"
done
# 32 and 33 are the C library's own.
check 'it ignores no signal' [ $((16#$(sed -n 's/^SigIgn:\t//p' "$lab_dir/seen") & 0x7fffffff)) = 0 ]
check 'its port is the one of its VIP' grep -qE '^GANTRY_PORT=200[0-9][0-9]$' "$lab_dir/seen"
check 'its environment has no more than a shell adds' is \
	"$(grep -oE '^[A-Z_]+=' "$lab_dir/seen" | grep -vE '^(GANTRY_(VIP|SERVER|ADDRESS|PORT)|PATH|PWD|OLDPWD|SHLVL|_)=' || true)" ''
check 'its descriptors are its own' is "$(grep '^fd [012] ' "$lab_dir/seen" | cut -d' ' -f2 | tr '\n' ' ')" '0 1 2 '
check 'and no socket or device of ours' is "$(grep -E '^fd .*(socket:|anon_inode|/dev/(net|hugepages))' "$lab_dir/seen" || true)" ''
check 'its process group is its own' [ "$(sed -n 's/^group \(.*\) of .*/\1/p' "$lab_dir/seen")" = \
	"$(sed -n 's/^group .* of //p' "$lab_dir/seen")" ]
worker=$(sed -n 's/.*worker on CPU \([0-9]*\).*/\1/p' "$lab_dir/log/gantry")
cpus=$(sed -n 's/^Cpus_allowed_list:\t//p' "$lab_dir/seen")
printf '      the worker on CPU %s, programs on %s of %s\n' "$worker" "$cpus" "$(nproc)"
check 'not on the CPU of the worker' [ "$cpus" != "$worker" ]

# Of a hundred checks nobody is left but those under way: the flood, the hang and its child.
children() { ps -o stat=,args= --ppid "$lab_gantry_pid"; }
sleep 2
check 'no zombies' is "$(children | grep '^Z' || true)" ''
check 'no more programs than are asked' [ "$(children | wc -l)" -le 6 ]
sleepers() { ip netns pids "$lab_id-lb" | xargs -r ps -o args= -p | grep -cx "sleep $1" || true; }
none() { [ "$(sleepers "$1")" = 0 ]; }
check 'a child that was left is gone' lab_wait 5 none 1235
check 'what hangs is killed with its child' lab_wait 5 none 1234

lab_ctl servers | sed 's/^/      /'
check_identity
check 'gantry stops on SIGTERM with exit code 0' lab_gantry_stop
check 'and leaves no program' lab_wait 5 none 1234

# Once more, where the host lets us have ping sockets.
lab_sysctl lb net/ipv4/ping_group_range='0 0'
lab_gantry
check 'ping by a ping socket' becomes echo4/s 'up healthy' 'answers ICMP echo'
check 'and by IPv6' becomes echo6/s 'up healthy' 'answers ICMP echo'
check 'without raw sockets' is "$(lab_in lb ss -Hwan | wc -l)" 0
check 'nobody answers for nobody' becomes absent/s 'down failed' 'no answer to ICMP echo'
check 'gantry stops again' lab_gantry_stop
kill "$nginx"
lab_finish
