# Assembly of LLVM, which has only instructions of 24 bits for Xtensa: those of 16 bits where they do the same.
s/^\tor\t(a[0-9]+), (a[0-9]+), \2\b/\tmov.n\t\1, \2/
s/^\tadd\t/\tadd.n\t/
s/^\t([ls]32i)\t(a[0-9]+), (a[0-9]+), ([0-9]|[1-5][0-9]|60)\b/\t\1.n\t\2, \3, \4/
s/^\taddi\t(a[0-9]+, a[0-9]+, (-1|[1-9]|1[0-5]))\b/\taddi.n\t\1/
s/^\tmovi\t(a[0-9]+, (-3[0-2]|-[12][0-9]|-?[0-9]|[1-8][0-9]|9[0-5]))($|\t| )/\tmovi.n\t\1\3/
