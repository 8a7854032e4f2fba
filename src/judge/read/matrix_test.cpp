#include "judge/test_pairs.h"

namespace ponder::judge {
namespace {

TEST(Matrices, arithmetic_and_unit_vectors) {
  expect_verdicts(
      {{"\\begin{pmatrix}6&8\\\\10&12\\end{pmatrix}",
        "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}+\\begin{pmatrix}5&6\\\\7&8\\end{pmatrix}", 'c'},
       {"\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}",
        "\\begin{pmatrix}1&0\\\\0&1\\end{pmatrix}\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", 'c'},
       {"\\begin{pmatrix}-1&0\\\\0&-1\\end{pmatrix}", "-\\mathbf{I}", 'c'},
       {"\\begin{pmatrix}3&0\\\\0&3\\end{pmatrix}", "3I_2", 'c'},
       {"\\begin{pmatrix}3&0\\\\0&2\\end{pmatrix}", "3I", 'i'},
       {"\\begin{pmatrix}2&4\\\\6&8\\end{pmatrix}", "2\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}",
        'c'},
       {"\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}",
        "\\frac{1}{2}\\begin{pmatrix}2&4\\\\6&8\\end{pmatrix}", 'c'},
       {"\\begin{pmatrix}1&3\\\\2&4\\end{pmatrix}", "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}^T",
        'c'},
       {"\\begin{pmatrix}1&3\\\\2&4\\end{pmatrix}",
        "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}^{\\top}", 'c'},
       {"-2", "\\begin{vmatrix}1&2\\\\3&4\\end{vmatrix}", 'c'},
       {"-2", "\\det\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", 'c'},
       {"\\begin{pmatrix}-2&1\\\\3/2&-1/2\\end{pmatrix}",
        "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}^{-1}", 'c'},
       {"\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "\\begin{pmatrix}1&2\\\\3&5\\end{pmatrix}",
        'i'},
       {"\\begin{pmatrix}7&10\\\\15&22\\end{pmatrix}", "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}^2",
        'c'},
       {"(1,2)", "\\mathbf{i}+2\\mathbf{j}", 'c'},
       {"\\langle 1,2,3\\rangle", "\\hat{i}+2\\hat{j}+3\\hat{k}", 'c'},
       {"\\begin{pmatrix}1\\\\-2\\\\3\\end{pmatrix}", "i-2j+3k", 'c'},
       {"\\mathbf{i}-2\\mathbf{j}", "i-2j", 'c'},
       {"(1,2)", "\\mathbf{i}-2\\mathbf{j}", 'i'},
       {"3+4i", "3 + 4\\mathrm{i}", 'c'},
       {"\\begin{pmatrix}1\\\\2\\end{pmatrix}", "(1,2)", 'c'},
       {"\\begin{pmatrix}x+1&0\\\\0&1\\end{pmatrix}", "\\begin{pmatrix}1+x&0\\\\0&1\\end{pmatrix}",
        'c'},
       {"\\left[\\begin{array}{cc}1&2\\\\3&4\\end{array}\\right]",
        "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", 'c'}});
}

}  // namespace
}  // namespace ponder::judge
