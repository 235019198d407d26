"""Instructions of compiled kernels are counted, though no GPU is here to run them."""

import os
import subprocess
import sys
from pathlib import Path

from bench.kernel_instructions import kinds, loop

SASS = """
.text._multiply:
        /*0000*/                   LDC R1, c[0x0][0x28] ;
.L_x_1:
        /*0010*/              @!P0 BRA `(.L_x_2) ;
        /*0020*/                   LDG.E.128 R4, desc[UR4][R2.64] ;
.L_x_2:
        /*0030*/                   LOP3.LUT R4, R4, 0xf0000, R9, 0xf8, !PT ;
        /*0040*/                   I2F.U16 R5, R4 ;
        /*0050*/                   FFMA R6, R5, R7, R6 ;
        /*0060*/               @P1 BRA `(.L_x_1) ;
        /*0070*/                   EXIT ;
.L_x_3:
        /*0080*/                   BRA `(.L_x_3) ;
"""


def test_the_loop_is_what_a_branch_leads_back_to() -> None:
    body = loop(SASS)
    assert [line.split()[0] for line in body] == ["BRA", "LDG.E.128", "LOP3.LUT", "I2F.U16", "FFMA", "BRA"]
    assert kinds(body) == {"others": 2, "memory": 1, "integers": 1, "conversions": 1, "float32": 1}


def test_one_row_takes_fewer_instructions_than_memory_leaves_time_for(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, "-m", "bench.kernel_instructions"],
        env=environment | {"TRITON_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split("|")[1:-1] for line in done.stdout.splitlines()[2:]]
    instructions = {name.strip(): (float(every), float(conversions)) for name, every, conversions, *_ in rows}
    for bits, most in ((4, 3.7), (8, 6.9)):
        assert instructions[f"{bits} bits, any rows"][1] > 0.9
        every, conversions = instructions[f"{bits} bits, one row"]
        assert every < min(most, instructions[f"{bits} bits, any rows"][0])
        assert conversions == 0.0
