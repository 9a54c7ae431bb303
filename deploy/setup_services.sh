#!/usr/bin/env bash
#
# Install, upgrade or remove short-drama on this machine, as systemd services.
#
#   deploy/setup_services.sh gpu|cpu|orchestrator|all --wheel FILE   install, or upgrade in place
#   deploy/setup_services.sh gpu|cpu|orchestrator|all --version X    the same, from a package index
#   deploy/setup_services.sh --uninstall [--purge]
#
#   --dry-run          say what would be done, and do nothing; needs no rights
#   --packages FOLDER  take all packages from this folder of wheels instead of a package index
#   --no-models        leave out the local face engine's model files
#
# Roles add up: a machine that was set up for one and then for another does both. Repeated, it
# changes nothing. An upgrade drains, switches, and asks every service how it is; when one is not
# well, the release that ran before is put back. Exit codes: 0 done; 1 failed, with everything as it
# was; 2 the command line is wrong.

set -euo pipefail
umask 022

HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
readonly HERE
readonly UNITS="$HERE/systemd"
readonly REQUIREMENTS="$HERE/../requirements"

readonly HOME_OF_CODE=/opt/short-drama
readonly RELEASES="$HOME_OF_CODE/releases"
readonly CURRENT="$HOME_OF_CODE/current"
readonly SETTINGS=/etc/short-drama
readonly STATE=/var/lib/short-drama
readonly CACHE=/var/cache/short-drama
readonly SYSTEMD=/etc/systemd/system
readonly COMMAND=/usr/local/bin/short-drama
readonly COMFYUI=/opt/comfyui
readonly ACCOUNT=short-drama
readonly RELEASES_KEPT=3
readonly WELL_WITHIN=90 # seconds, after which a service that was started must be well

role="" wheel="" version=""
packages=() # as options of pip: where it takes packages from
dry_run=false uninstall=false purge=false models=true
changes=0
workspace=""

main() {
    read_command_line "$@"
    if ! $dry_run && [[ $EUID -ne 0 ]]; then
        fail "it changes the system: run it as root, or with --dry-run"
    fi
    trap clean_up EXIT
    if $uninstall; then
        remove_everything
    else
        install_or_upgrade
    fi
    if [[ $changes -eq 0 ]]; then
        echo "Nothing to change."
    fi
}

read_command_line() {
    while [[ $# -gt 0 ]]; do
        case "$1" in
            gpu | cpu | orchestrator | all) role="$1" ;;
            --wheel) wheel="$(value_of "$@")" && shift ;;
            --version) version="$(value_of "$@")" && shift ;;
            --packages) packages=(--no-index --find-links "$(value_of "$@")") && shift ;;
            --dry-run) dry_run=true ;;
            --no-models) models=false ;;
            --uninstall) uninstall=true ;;
            --purge) purge=true ;;
            -h | --help) sed -n '3,18s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" && exit 0 ;;
            *) usage "there is no $1" ;;
        esac
        shift
    done
    if $uninstall; then
        [[ -z $role$wheel$version ]] || usage "--uninstall takes everything away: give no role"
        return
    fi
    ! $purge || usage "--purge goes with --uninstall"
    [[ -n $role ]] || usage "give a role: gpu, cpu, orchestrator or all"
    [[ -n $wheel || -n $version ]] || usage "give --wheel FILE or --version X"
    [[ -z $wheel || -z $version ]] || usage "give --wheel or --version, not both"
    [[ -z $wheel || -f $wheel ]] || usage "there is no file $wheel"
    [[ ${#packages[@]} -eq 0 || -d ${packages[2]} ]] || usage "there is no folder ${packages[2]}"
}

value_of() {
    [[ $# -ge 2 && $2 != --* ]] || usage "$1 needs a value"
    echo "$2"
}

usage() {
    echo "setup_services.sh: $1. See --help." >&2
    exit 2
}

fail() {
    echo "setup_services.sh: $1" >&2
    exit 1
}

clean_up() {
    [[ -z $workspace ]] || rm -rf "$workspace"
}

# change WHAT COMMAND...: do it and say so; on a dry run, only say so.
change() {
    local what="$1"
    shift
    changes=$((changes + 1))
    if $dry_run; then
        echo "would: $what"
    else
        echo "$what"
        "$@"
    fi
}

# --- Install and upgrade ---------------------------------------------------------------------

install_or_upgrade() {
    find_python
    make_account_and_folders
    local before release
    before="$(readlink "$CURRENT" 2>/dev/null || true)"
    fetch_wheel
    release="$RELEASES/$(release_name)"
    install_release "$release"
    install_settings
    put_on_the_path
    roles_of_this_machine
    make_comfyui_its_users
    make_service_token
    install_units "$UNITS"
    install_models "$release"
    if [[ $before == "$release" && $units_changed == false ]]; then
        start_what_does_not_run
    else
        switch_to "$release" "$before"
    fi
    forget_old_releases "$release" "$before"
}

python=""

# 3.11 is what the product is tested with; Ubuntu 22.04 has it beside its own 3.10.
find_python() {
    local name
    for name in python3.11 python3.12 python3.13 python3; do
        if "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
            2>/dev/null; then
            python="$(command -v "$name")"
            return
        fi
    done
    change "install Python 3.11" install_packages python3.11 python3.11-venv
    python=/usr/bin/python3.11
}

install_packages() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get update --quiet=2
    apt-get install --quiet=2 --yes --no-install-recommends "$@"
}

make_account_and_folders() {
    if ! getent passwd "$ACCOUNT" >/dev/null; then
        change "make the user $ACCOUNT" \
            useradd --system --home-dir "$STATE" --shell /usr/sbin/nologin "$ACCOUNT"
    fi
    folder "$RELEASES" 755 root
    folder "$SETTINGS" 755 root
    folder "$SETTINGS/credentials" 700 root
    folder "$STATE" 700 "$ACCOUNT"
    folder "$CACHE" 755 "$ACCOUNT"
}

folder() {
    [[ -d $1 ]] || change "make $1" install --directory --mode "$2" --owner "$3" --group "$3" "$1"
}

fetch_wheel() {
    [[ -z $version ]] && return
    if [[ -e $RELEASES/$version/.complete || $dry_run == true ]]; then
        return
    fi
    workspace="$(mktemp -d)"
    "$python" -m pip download --quiet --no-deps "${packages[@]}" --dest "$workspace" \
        "short-drama==$version" || fail "no package short-drama $version can be had"
    wheel="$(echo "$workspace"/*.whl)"
}

# Of a wheel, its version and what it holds: two builds of one version are two releases.
release_name() {
    if [[ -n $version ]]; then
        echo "$version"
    else
        local file="${wheel##*/}" rest
        rest="${file#*-}"
        echo "${rest%%-*}-$(sha256sum "$wheel" | cut -c 1-8)"
    fi
}

install_release() {
    [[ -e $1/.complete ]] || change "install release ${1##*/}" fill_release "$1"
}

fill_release() {
    rm -rf "$1" # what an earlier try left
    "$python" -m venv "$1"
    local pip=("$1/bin/python" -m pip --disable-pip-version-check --quiet install)
    "${pip[@]}" "${packages[@]}" --require-hashes \
        --requirement "$REQUIREMENTS/aws.txt" \
        --requirement "$REQUIREMENTS/otel.txt"
    "${pip[@]}" --no-deps "$wheel"
    "$1/bin/short-drama" --version >/dev/null || fail "release ${1##*/} does not run"
    cp --recursive "$UNITS" "$1/units" # so that going back is to these as well
    touch "$1/.complete"
}

# What a person has written is never changed.
install_settings() {
    if [[ ! -e $SETTINGS/short-drama.env ]]; then
        change "write $SETTINGS/short-drama.env: look through it" \
            install --mode 644 "$UNITS/short-drama.env" "$SETTINGS/short-drama.env"
    fi
}

# Only where nobody else's command is.
put_on_the_path() {
    if [[ ! -e $COMMAND && ! -L $COMMAND ]]; then
        change "write $COMMAND" ln --symbolic "$CURRENT/bin/short-drama" "$COMMAND"
    fi
}

# Its nodes are others' code: they run as a user who reads no key of ours.
make_comfyui_its_users() {
    [[ " ${units[*]} " == *" comfyui "* ]] || return 0
    if ! getent passwd comfyui >/dev/null; then
        change "make the user comfyui" \
            useradd --system --home-dir "$COMFYUI" --shell /usr/sbin/nologin comfyui
    fi
    if [[ $(stat --dereference --format=%U "$COMFYUI") != comfyui ]]; then
        change "give $COMFYUI to the user comfyui" \
            chown --recursive -H comfyui:comfyui "$COMFYUI"
    fi
}

# What an adapter shows to its API service: both are on this machine.
make_service_token() {
    local file="$SETTINGS/credentials/service_token"
    if [[ ${#lanes[@]} -gt 0 && ! -s $file ]]; then
        change "make $file" new_secret "$file"
    fi
}

new_secret() {
    (umask 077 && od --address-radix=n --format=x1 --read-bytes=32 /dev/urandom |
        tr --delete ' \n' >"$1.new") # nobody reads half of one
    mv "$1.new" "$1"
}

install_models() {
    if $models && [[ " ${units[*]} " == *" paid-api "* && ! -d $CACHE/models ]]; then
        change "bring the local face engine's model files" \
            runuser --user "$ACCOUNT" -- env SHORT_DRAMA_CACHE_DIR="$CACHE" \
            "$1/bin/short-drama" models install
    fi
}

# --- Units -----------------------------------------------------------------------------------

units=() # those of this machine's roles, in the order in which they start
units_changed=false

install_units() {
    local unit name
    for unit in "${units[@]}"; do
        unit_file "$1/$unit.service" "$SYSTEMD/$unit.service"
        if [[ $unit != comfyui ]]; then
            unit_file "$1/common.conf" "$SYSTEMD/$unit.service.d/common.conf"
        else
            unit_file "$1/comfyui-restart.path" "$SYSTEMD/comfyui-restart.path"
            unit_file "$1/comfyui-restart.service" "$SYSTEMD/comfyui-restart.service"
        fi
    done
    for name in "${lanes[@]}"; do
        unit_file "$1/sqs-adapter.service.d/$name.conf" \
            "$SYSTEMD/sqs-adapter.service.d/$name.conf"
    done
    if $units_changed; then
        change "tell systemd of its units" systemctl daemon-reload
    fi
    for unit in "${units[@]}"; do
        if ! systemctl is-enabled --quiet "$unit" 2>/dev/null; then
            change "start $unit with the machine" systemctl enable --quiet "$unit"
        fi
    done
}

lanes=()

roles_of_this_machine() {
    local file="$SETTINGS/roles" roles
    roles="$(cat "$file" 2>/dev/null || true)"
    if [[ " $roles " != *" $role "* ]]; then
        roles="${roles:+$roles }$role"
        change "note the role $role" write_file "$file" "$roles"
    fi
    has() { [[ " $roles " == *" $1 "* || " $roles " == *" all "* ]]; }
    if has orchestrator; then
        units+=(gpu-orchestrator cpu-orchestrator)
    fi
    if has gpu; then
        [[ ! -d $COMFYUI ]] || units+=(comfyui)
        units+=(comfyui-unified-api)
        lanes+=(gpu)
    fi
    if has cpu; then
        units+=(paid-api)
        lanes+=(cpu)
    fi
    if [[ ${#lanes[@]} -gt 0 ]]; then
        units+=(sqs-adapter)
    fi
}

write_file() {
    echo "$2" >"$1"
}

unit_file() {
    if ! cmp --silent "$1" "$2"; then
        units_changed=true
        change "write $2" install -D --mode 644 "$1" "$2"
    fi
}

# --- Switching -------------------------------------------------------------------------------

start_what_does_not_run() {
    local unit
    for unit in "${units[@]}"; do
        if ! systemctl is-active --quiet "$unit"; then
            change "start $unit" start "$unit"
        fi
    done
}

# ComfyUI is not ours: whether it starts is no reason for anything but a word.
start() {
    systemctl start "$1" && return
    [[ $1 == comfyui ]] || return 1
    echo "comfyui does not start: see journalctl --unit comfyui" >&2
}

switch_to() {
    local release="$1" before="$2" ready
    if $dry_run; then
        change "drain, switch from ${before##*/} to ${release##*/}, and see that all is well" true
        return
    fi
    changes=$((changes + 1))
    ready="$(ready_ports)"
    echo "drain: no new tasks are taken, what runs may finish"
    point_to "$release"
    if restart_all && all_is_well "$ready"; then
        echo "${release##*/} runs"
        return
    fi
    say_what_is_unwell
    if [[ -z $before || $before == "$release" ]]; then
        fail "mend it, and run this again; $CURRENT/bin/short-drama doctor --installed may help"
    fi
    echo "back to ${before##*/}" >&2
    point_to "$before"
    install_units "$before/units"
    restart_all || true
    all_is_well "$ready" || fail "and ${before##*/} is not well either: see short-drama doctor --installed"
    fail "${release##*/} was not well; ${before##*/} runs again"
}

point_to() {
    ln --symbolic --no-dereference --force "$1" "$CURRENT.new"
    mv --no-target-directory "$CURRENT.new" "$CURRENT"
}

unwell=""

say_what_is_unwell() {
    echo "$unwell is not well; it said last:" >&2
    journalctl --unit "${unwell%% *}" --lines 5 --no-pager --output cat >&2 || true
}

# The adapter first, so that it drains while its API service still runs.
restart_all() {
    local unit
    if [[ " ${units[*]} " == *" sqs-adapter "* ]]; then
        systemctl stop sqs-adapter
    fi
    for unit in "${units[@]}"; do
        case "$unit" in
            comfyui) start comfyui ;; # what runs of it stays as it is
            *) systemctl restart "$unit" 2>/dev/null || { unwell="$unit" && return 1; } ;;
        esac
    done
}

# all_is_well PORTS: whether every service runs, and those that were ready before are so again.
all_is_well() {
    local deadline=$((SECONDS + WELL_WITHIN)) unit port
    for unit in "${units[@]}"; do
        [[ $unit != comfyui ]] || continue
        systemctl is-active --quiet "$unit" || { unwell="$unit" && return 1; }
    done
    for port in $1; do
        until is_ready "$port"; do
            [[ $SECONDS -lt $deadline ]] || { unwell="${units[-1]} or what is on port $port" && return 1; }
            sleep 1
        done
    done
}

ready_ports() {
    local setting port
    for setting in ORCHESTRATOR:8080 CPU_ORCHESTRATOR:8081 COMFYUI_API:8000 PAID_API:8001 \
        GPU_ADAPTER:8002 CPU_ADAPTER:8003; do
        port="$(sed -n "s/^SHORT_DRAMA_${setting%:*}_PORT=//p" "$SETTINGS/short-drama.env")"
        port="${port:-${setting#*:}}"
        if is_ready "$port"; then
            echo "$port"
        fi
    done
}

is_ready() {
    "$python" - "$1" <<'END' 2>/dev/null
import sys, urllib.request

direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
direct.open(f"http://127.0.0.1:{sys.argv[1]}/ready", timeout=5)
END
}

forget_old_releases() {
    local old
    $dry_run && return
    while read -r old; do
        if [[ $old != "$1" && $old != "$2" ]]; then
            change "forget release ${old##*/}" rm -rf "$old"
        fi
    done < <(find "$RELEASES" -mindepth 1 -maxdepth 1 -printf '%T@ %p\n' | sort --reverse --numeric |
        cut --delimiter=' ' --fields=2- | tail --lines=+$((RELEASES_KEPT + 1)))
}

# --- Uninstall -------------------------------------------------------------------------------

remove_everything() {
    local unit file
    for file in "$UNITS"/*.path "$UNITS"/*.service; do
        unit="$(basename "$file")"
        [[ -e $SYSTEMD/$unit ]] || continue
        change "stop $unit, what runs may finish" systemctl disable --now --quiet "$unit"
        change "remove $unit" rm -rf "$SYSTEMD/$unit" "$SYSTEMD/$unit.d"
    done
    if [[ $changes -gt 0 ]]; then
        change "tell systemd of it" systemctl daemon-reload
    fi
    if [[ $(readlink "$COMMAND") == "$CURRENT/bin/short-drama" ]]; then
        change "remove $COMMAND" rm "$COMMAND"
    fi
    remove "$HOME_OF_CODE"
    remove "$SETTINGS/roles"
    if $purge; then
        remove "$SETTINGS"
        remove "$STATE"
        remove "$CACHE"
        if getent passwd "$ACCOUNT" >/dev/null; then
            change "remove the user $ACCOUNT" userdel "$ACCOUNT"
        fi
    else
        echo "Kept: $SETTINGS, $STATE, $CACHE (--purge removes them too)"
    fi
}

remove() {
    [[ ! -e $1 ]] || change "remove $1" rm -rf "$1"
}

main "$@"
