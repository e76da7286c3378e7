#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Studies through a DR VIP: dicom.sh [af_packet|af_xdp]. Real modalities (dcmtk) at four addresses send to
# 192.0.2.100 in parallel; three real archives keep what comes. Judged by the archives' disks and logs.
# shellcheck source=test/lab/common.sh
. "$(dirname "$0")/common.sh"

device=${1:-af_packet}
lab_begin_on "$device" storescp storescu echoscu img2dcm socat
lab_gantry
lab_archives
lab_python "$lab_here/dicom.py" make "$lab_dir/sent" 64 1500

for client in $lab_clients; do
	check "$client: C-ECHO to the VIP" \
		lab_in "$client" timeout 20 echoscu -aet "${client^^}" -aec PACS $lab_vip4 11112
done
associations=4

# Eight associations from each modality at once, two files each, on both ports.
start=${EPOCHREALTIME/./}
files=("$lab_dir"/sent/*.dcm)
for client in $lab_clients; do
	for n in 1 2 3 4 5 6 7 8; do
		port=104
		[ $((n % 2)) = 0 ] || port=11112
		lab_job storescu "$client" timeout 60 storescu -aet "${client^^}" -aec PACS \
			$lab_vip4 $port "${files[@]:0:2}"
		files=("${files[@]:2}")
		associations=$((associations + 1))
	done
done
lab_jobs_end
ms=$(((${EPOCHREALTIME/./} - start) / 1000))
check 'all 32 associations succeed' is $lab_jobs_failed 0
printf '      64 images, %s MB, in %d ms\n' "$(du -sm "$lab_dir/sent" | cut -f1)" $ms

check 'every image arrives once, and the same to the last bit' lab_python "$lab_here/dicom.py" \
	compare "$lab_dir/sent" "$lab_dir"/disk/*

sum=0
for server in $lab_servers; do
	told=$(connections_of "$server" pacs)
	check "$server: gantry counts the associations that the archive saw" \
		is "$told" "$(lab_associations "$server")"
	check "$server: gets a share of them" [ "$told" -gt 0 ]
	sum=$((sum + told))
done
check 'none is counted twice or not at all' is $sum $associations

# dcmtk 3.6.7 speaks IPv4 only: socat carries it over IPv6 between the modality and the archives.
lab_python "$lab_here/dicom.py" make "$lab_dir/sent6" 12 1500
for server in $lab_servers; do
	rm -f "$lab_dir/disk/$server"/*
	lab_start socat "$server" socat "TCP6-LISTEN:11112,bind=[$lab_vip6],fork,reuseaddr" \
		TCP4:127.0.0.1:11112
	lab_wait 10 lab_in "$server" sh -c "ss -Hltn 'sport = :11112' | grep -q '\[$lab_vip6\]'"
done
lab_start socat mr socat TCP4-LISTEN:11112,bind=127.0.0.1,fork,reuseaddr "TCP6:[$lab_vip6]:11112"
lab_wait 10 lab_listens mr 11112
for file in "$lab_dir"/sent6/*.dcm; do
	lab_job storescu mr timeout 60 storescu -aet MR -aec PACS 127.0.0.1 11112 "$file"
done
lab_jobs_end
check 'over IPv6: all 12 associations succeed' is $lab_jobs_failed 0
check 'over IPv6: every image arrives once, and the same to the last bit' \
	lab_python "$lab_here/dicom.py" compare "$lab_dir/sent6" "$lab_dir"/disk/*
for server in $lab_servers; do
	check "$server: gantry counts the associations that the archive saw, IPv6 included" \
		is "$(connections_of "$server" pacs pacs6)" "$(lab_associations "$server")"
done

check_identity
check 'gantry stops on SIGTERM with exit code 0' lab_gantry_stop
lab_finish
