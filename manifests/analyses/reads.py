"""Reads of sequencing, sample by sample: what a laboratory looks at first."""

from gencove_explorer.analysis import AnalysisContext

PHRED = 33
"""What the code of a quality character is above the quality itself (Sanger's FASTQ)."""


def records(path):
    """Sequence and qualities of each read of a FASTQ file."""
    with open(path) as file:
        while file.readline():
            sequence = file.readline().strip()
            file.readline()
            yield sequence, [ord(character) - PHRED for character in file.readline().strip()]


def quality(ac: AnalysisContext):
    """One sample: how many reads, their GC content, their mean quality, and that of each cycle."""
    sample = ac.input
    reads = list(records(sample.file("reads").as_local()))
    bases = sum(len(sequence) for sequence, _ in reads)
    gc = sum(sequence.count("G") + sequence.count("C") for sequence, _ in reads) / bases
    cycles = [sum(each) / len(each) for each in zip(*(qualities for _, qualities in reads), strict=True)]
    print(f"{sample.id} ({sample.metadata['tissue']}): {len(reads)} reads, GC {gc:.1%}")
    ac.output.value("sample", sample.id)
    ac.output.value("tissue", sample.metadata["tissue"])
    ac.output.value("reads", len(reads))
    ac.output.value("gc", gc)
    ac.output.value("quality", sum(cycles) / len(cycles))
    with open(ac.output.file("cycles.csv").as_local(), "w") as file:
        file.writelines(f"{cycle},{value:.2f}\n" for cycle, value in enumerate(cycles, start=1))


def report(ac: AnalysisContext):
    """All samples: those that have fewer reads, or a lower quality, than the study wants."""
    limits = ac.global_config
    rows = [output.values() for output in ac.dependency("read-quality").get_outputs()]
    poor = [row["sample"] for row in rows if row["reads"] < limits.reads or row["quality"] < limits.quality]
    for row in rows:
        print(f"{row['sample']}: {row['reads']} reads, GC {row['gc']:.1%}, quality {row['quality']:.1f}")
    ac.output.value("poor", poor)
    ac.output.value("samples", rows)
