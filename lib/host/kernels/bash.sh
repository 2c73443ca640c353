# SPDX-License-Identifier: MIT
# The bash kernel: an interactive shell without a terminal, whose commands come on standard input
# (see lib/host/kernel_input.c). Interactive, because there an interrupt ends the command that runs
# and nothing else. Lines for the host go out on a descriptor of their own; what commands print goes
# to standard error, as the host takes it.
exec 240>&1 >&2
set +o history +m
unset PS1 PS2 MAILCHECK PROMPT_COMMAND
PS1='' PS2='' PS4='+ '
shopt -u checkwinsize
declare -i __e2b_count=0 __e2b_status=0
__e2b_running=
declare -A __e2b_before=()

# A cell comes as four lines: its code, its variables, the line that runs it, and one that ends it
# once more, for when an interrupt took the line before. SIGINT is heeded while that line runs, and
# no longer: while a line is read it would leave the rest of it to be taken for commands.
trap '' INT

# __e2b_variables [NAME VALUE]...: for the next cell alone.
__e2b_variables() {
  __e2b_before=()
  while [ $# -gt 1 ]; do
    case $1 in
      *[!A-Za-z0-9_]* | [0-9]* | '') ;;
      *)
        __e2b_before[$1]=${!1+was:}${!1-}
        export "$1=$2"
        ;;
    esac
    shift 2
  done
}

# A cell begins; $? is what the one before has left.
__e2b_begin() {
  __e2b_running=yes
  __e2b_count+=1
  printf '{"type": "number_of_executions", "execution_count": %d}\n' "$__e2b_count" >&240
  return "$__e2b_status"
}

# __e2b_end STATUS: it has ended; its variables are as they were.
__e2b_end() {
  trap '' INT
  [ "$__e2b_running" ] || return 0
  local name
  __e2b_running=
  __e2b_status=$1
  for name in "${!__e2b_before[@]}"; do
    case ${__e2b_before[$name]} in
      was:*) export "$name=${__e2b_before[$name]#was:}" ;;
      *) unset "$name" ;;
    esac
  done
  __e2b_before=()
  [ "$1" -eq 0 ] ||
    printf '{"type": "error", "name": "", "value": "%d", "traceback": ""}\n' "$1" >&240
  printf '{"type": "end_of_execution"}\n' >&240
}

# `exit` in a cell ends the shell, and the cell as it should.
__e2b_leave() {
  printf '{"type": "exiting"}\n' >&240
  __e2b_end "$1"
}
trap '__e2b_leave $?' EXIT
printf '{"type": "ready"}\n' >&240
