"""More scripts, of the form of `scripts.py`: what a subshell changes is its own, and what it has is a copy."""

from __future__ import annotations

ISOLATION = r"""
mkdir d; (cd d; pwd | sed 's/.*\///'); pwd | sed 's/.*\///'; x=$(cd d; pwd); echo ${x##*/} ${PWD##*/}
%%
mkdir d; (cd d); echo "${OLDPWD-none}"; (cd d; cd - >/dev/null; echo ${PWD##*/}); echo "${OLDPWD-none}"
%%
x=1; (x=2; y=3; echo $x$y); echo $x${y-none}; z=$(x=4; echo $x); echo $x$z
%%
export x=1; (export x=2; export y=3; sh -c 'echo $x$y'); sh -c 'echo $x${y-none}'
%%
: $(export y=4); sh -c 'echo ${y-none}'
%%
x=1; (unset x; echo ${x-none}); echo $x; : $(unset x); echo $x
%%
x=1; (readonly x); x=2; echo $x; : $(readonly x); x=3; echo $x
%%
readonly r=1; (r=2; echo not) 2>/dev/null; echo $? $r; x=$(r=2; echo not) 2>/dev/null; echo "[$x] $r"
%%
set -- a b c; (shift; echo $# $1); echo $# $1; x=$(set -- q; echo $1); echo $x $1
%%
set -- -a -b x; while getopts ab o; do (getopts ab p; echo $o$p); done; echo $OPTIND
%%
set -- -ab; getopts ab o; echo $o; (getopts ab o; echo $o); getopts ab o; echo $o
%%
set -- -ab; getopts ab o; x=$(getopts ab o; echo $o); getopts ab o; echo $x$o
%%
f() { echo one; }; (f() { echo two; }; f); f; x=$(f() { echo three; }; f); echo $x; f
%%
f() { echo one; }; (unset -f f; f) 2>/dev/null; echo $?; f
%%
(f() { echo inner; }; f); f 2>/dev/null; echo $?
%%
(set -f; echo *x*); touch axb; echo *x*; : $(set -f); echo *x*
%%
touch q1; (set -f; echo q*; case $- in *f*) echo on;; esac); case $- in *f*) echo on;; *) echo off;; esac; echo q*
%%
(set -u; echo "$none") 2>/dev/null; echo $?; echo "[$none]"
%%
(set -e; false; echo not); echo $?; false; echo on
%%
x=$(set -e; false; echo not); echo "$? [$x]"; false; echo on
%%
set -e; (set +e; false; echo inside); echo outside; (false; echo not); echo not
%%
set -e; x=$(false; echo here); echo "[$x]"; (false) || echo caught; ! (false); echo end
%%
set -e; if (false; echo yes); then echo then; fi; (false; echo also) && echo and; echo end
%%
(set -C; echo a > f; echo b > f) 2>/dev/null; echo $?; cat f; echo c > f; cat f
%%
(set -a; x=1; sh -c 'echo $x'); x=2; sh -c 'echo ${x-none}'
%%
umask 022; (umask 077; umask; touch f; ls -l f | cut -c 1-10); umask; x=$(umask 027; umask); echo $x $(umask)
%%
alias e=echo
(alias e='echo two'; alias | sort); alias e; x=$(unalias e; alias); echo "[$x]"; alias e
%%
trap 'echo end' EXIT; (echo in); x=$(echo sub); echo $x
%%
trap 'echo end' EXIT; (trap 'echo inner' EXIT; echo in); echo out
%%
x=$(trap 'echo inner' EXIT; echo in); echo $x; (exit 3); echo $?
%%
(trap 'echo a; exit 5' EXIT; exit 3); echo $?; (trap 'echo b' EXIT; exit 4); echo $?
%%
trap '' TERM; (trap - TERM; trap); trap; x=$(trap 'echo q' TERM); trap
%%
trap 'echo t' USR1; (trap 'echo u' USR1); trap; (trap '' USR1); trap
%%
exec 3> f; (exec 3> g; echo in >&3); echo out >&3; cat f; echo --; cat g
%%
exec 3> f; (exec 3>&-; echo x >&3) 2>/dev/null; echo $?; echo out >&3; cat f
%%
(exec > f; echo in); echo out; cat f; x=$(exec > g; echo lost); echo "[$x]"; cat g
%%
echo line > f; (exec < f; read a; echo $a); exec 4< f; (read b <&4; echo $b); read c <&4; echo "[$c]"
%%
printf '1\n2\n3\n' > f; { read a; (read b; echo $b); read c; echo $a$c; } < f
%%
printf '1\n2\n3\n' > f; { read a; b=$(read x; echo $x); read c; echo $a$b$c; } < f
%%
(exec 5> f; echo five >&5); (echo x >&5) 2>/dev/null; echo $?; cat f
%%
exec 3> f; x=$(exec 3>&-; echo sub); echo $x >&3; cat f
%%
(exit 7); echo $?; x=$(exit 8); echo $?; (return 6) 2>/dev/null; echo $?
%%
f() { (return 5); echo $?; (exit 6); echo $?; return 2; }; f; echo $?
%%
f() { x=$(return 5; echo not); echo "$? [$x]"; }; f
%%
for i in 1 2; do (break; echo not); echo $i; done; for i in 1 2; do x=$(continue; echo not); echo $i$x; done
%%
for i in 1 2; do (for j in a b; do break 2; done; echo inner); echo $i; done
%%
f() { local x=1; (x=2; local y=3; echo $x$y); echo $x${y-none}; }; x=0; f; echo $x
%%
f() { local x=1; y=$(x=2; g; echo $x); echo $x$y; }; g() { x=5; }; x=0; f; echo $x
%%
f() { (local x=2; echo $x); echo $x; }; x=1; f; echo $x
%%
f() { (f2; echo $x); }; f2() { local x=9; echo $x; }; x=1; f; echo $x
%%
sleep 0.1 & (wait; echo at once); wait; echo $?
%%
sleep 0.2 & p=$!; (wait $p; echo $?); wait $p; echo $?
%%
(sleep 0.1; exit 3) & p=$!; x=$(wait $p; echo $?); wait $p; echo $x $?
%%
(sleep 0.2 & jobs > f; wc -l < f); jobs > g; wc -l < g; (sleep 0.1 & sleep 0.1 &); wait; jobs
%%
(sleep 0.1 & wait $!; echo $?); wait; echo $?
%%
sleep 1 & p=$!; (sleep 0 & [ $! != $p ] && echo other); [ $! = $p ] && echo same; kill $p
%%
x=$(sleep 0.1 & echo $!); [ -n "$x" ] && echo some; echo "[${!-}]"; wait $x; echo $?
%%
for i in 1 2 3; do (for j in a b; do (continue 2; echo deep); echo $j; break 5; done); echo $i; done
%%
f() { for i in 1 2; do (return 4); echo $?$i; (for j in 1; do return 3; done); echo $?; done; }; f
%%
sleep 0.1 & (sleep 0.2 & wait; echo $?); wait $!; echo $?; (wait %1) 2>/dev/null; wait; echo $?
%%
sleep 1 & p=$!; (kill $p); wait $p; echo $?
%%
echo $$ > a; (echo $$ > b); cmp a b && echo same; x=$(echo $$); [ $x = $$ ] && echo same
%%
x=1; ( (x=2; (x=3; echo $x); echo $x); echo $x ); echo $(x=4; echo $(x=5; echo $x)$x)$x
%%
IFS=:; (IFS=,; x=a,b; set -- $x; echo $#); x=a:b; set -- $x; echo $#; y=$(IFS=,; x=a,b:c; set -- $x; echo $1); echo "$y"
%%
x=0; while [ $x -lt 3 ]; do x=$(($x+1)); (x=9); done; echo $x; : $((x=5)) $(: $((x=7))); echo $x
%%
false; (echo $?); false; x=$(echo $?); echo $x; (true); echo $?; true; (false); echo $?
%%
x=$(false); echo $?; x=$(true)$(false); echo $?; x=$(false)$(true); echo $?
%%
PS4='> '; (set -x; : a) 2>&1; : b; x=$(set -x; : c 2>/dev/null; set +x) 2>/dev/null; echo "[$x]"
%%
set -- 1 2; (set --; echo $#); f() { (set -- x y z; echo $#); echo $#; }; f a; echo $#
%%
x=old; x=new echo $(echo $x); (x=tmp true; echo $x); echo $x
%%
(command exec > f; echo a); cat f; (eval 'x=2; exec > g'; echo b); cat g; echo ${x-none}
%%
(. /dev/null; echo ok); echo 'x=3; cd /' > s; (. ./s; echo $x $PWD); echo ${x-none} ${PWD##*/}
%%
set -u; (x=${none?gone}; echo not) 2>/dev/null; echo $?; y=$(echo ${none?gone}) 2>/dev/null; echo $?
%%
(x=$((1/0)); echo not) 2>/dev/null; echo $? ; echo on
%%
(cd /nowhere-at-all || exit 4; echo not) 2>/dev/null; echo $?; echo ${PWD##*/}
%%
trap 'echo usr' USR1; (kill -USR1 $$); sleep 0; echo after
%%
(trap 'echo sub' USR1; echo ready); kill -USR1 $$ 2>/dev/null; echo not
%%
v=$(trap 'echo usr' USR1; :); trap; echo "[$v]"
%%
"""
ISOLATION_SCRIPTS = [script.strip("\n") + "\n" for script in ISOLATION.split("\n%%\n") if script]
