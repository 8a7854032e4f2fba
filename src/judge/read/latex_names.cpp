#include "judge/read/latex_names.h"

namespace ponder::judge {

const LatexCommands& latex_commands() {
  static const LatexCommands table = {{"frac", "k:frac"},
                                      {"dfrac", "k:frac"},
                                      {"tfrac", "k:frac"},
                                      {"cfrac", "k:frac"},
                                      {"sfrac", "k:frac"},
                                      {"nicefrac", "k:frac"},
                                      {"flatfrac", "k:frac"},
                                      {"over", "k:over"},
                                      {"sum", "k:sum"},
                                      {"prod", "k:prod"},
                                      {"int", "k:int"},
                                      {"lim", "k:lim"},
                                      {"bmod", "k:bmod"},
                                      {"mod", "k:bmod"},
                                      {"pmod", "k:pmod"},
                                      {"ldots", "o"},
                                      {"dots", "o"},
                                      {"cdots", "o"},
                                      {"dotsc", "o"},
                                      {"dotsb", "o"},
                                      {"lor", ","},
                                      {"land", ","},
                                      {"wedge", ","},
                                      {"setminus", "B"},
                                      {"smallsetminus", "B"},
                                      {"backslash", "B"},
                                      {"large", ""},
                                      {"Large", ""},
                                      {"LARGE", ""},
                                      {"huge", ""},
                                      {"Huge", ""},
                                      {"small", ""},
                                      {"normalsize", ""},
                                      {"underline", ""},
                                      {"ensuremath", ""},
                                      {"framebox", ""},
                                      {"therefore", ""},
                                      {"Rightarrow", ""},
                                      {"implies", ""},
                                      {"Longrightarrow", ""},
                                      {"notag", ""},
                                      {"nonumber", ""},
                                      {"scriptstyle", ""},
                                      {"vee", ","},
                                      {"cong", "="},
                                      {"choose", "k:choose"},
                                      {"sqrt", "k:sqrt"},
                                      {"surd", "k:surd"},
                                      {"binom", "k:binom"},
                                      {"dbinom", "k:binom"},
                                      {"tbinom", "k:binom"},
                                      {"overline", "k:overline"},
                                      {"pi", "c:pi"},
                                      {"infty", "c:inf"},
                                      {"infin", "c:inf"},
                                      {"cdot", "*"},
                                      {"times", "*"},
                                      {"ast", "*"},
                                      {"div", "/"},
                                      {"pm", "P"},
                                      {"mp", "M"},
                                      {"le", "L"},
                                      {"leq", "L"},
                                      {"leqslant", "L"},
                                      {"ge", "G"},
                                      {"geq", "G"},
                                      {"geqslant", "G"},
                                      {"lt", "<"},
                                      {"gt", ">"},
                                      {"ne", "N"},
                                      {"neq", "N"},
                                      {"approx", "~"},
                                      {"simeq", "~"},
                                      {"in", "E"},
                                      {"mapsto", "m"},
                                      {"subset", "w"},
                                      {"subseteq", "W"},
                                      {"supset", "v"},
                                      {"supseteq", "V"},
                                      {"cup", "U"},
                                      {"cap", "I"},
                                      {"circ", "D"},
                                      {"degree", "D"},
                                      {"equiv", "="},
                                      {"lbrace", "S"},
                                      {"rbrace", "s"},
                                      {"lfloor", "F"},
                                      {"rfloor", "f"},
                                      {"lceil", "C"},
                                      {"rceil", "c"},
                                      {"llcorner", "F"},
                                      {"lrcorner", "f"},
                                      {"ulcorner", "C"},
                                      {"urcorner", "c"},
                                      {"lgroup", "("},
                                      {"rgroup", ")"},
                                      {"langle", "A"},
                                      {"rangle", "a"},
                                      {"vert", "|"},
                                      {"lvert", "|"},
                                      {"rvert", "|"},
                                      {"Vert", "|"},
                                      {"lVert", "|"},
                                      {"rVert", "|"},
                                      {"mid", "|"},
                                      {"colon", ":"},
                                      {"lbrack", "["},
                                      {"rbrack", "]"},
                                      {"prime", "'"},
                                      {"left", ""},
                                      {"mleft", ""},
                                      {"mright", ""},
                                      {"medspace", ""},
                                      {"thickspace", ""},
                                      {"negthinspace", ""},
                                      {"negmedspace", ""},
                                      {"negthickspace", ""},
                                      {"right", ""},
                                      {"big", ""},
                                      {"Big", ""},
                                      {"bigl", ""},
                                      {"bigr", ""},
                                      {"Bigl", ""},
                                      {"Bigr", ""},
                                      {"bigg", ""},
                                      {"Bigg", ""},
                                      {"quad", ""},
                                      {"qquad", ""},
                                      {"displaystyle", ""},
                                      {"textstyle", ""},
                                      {"limits", ""},
                                      {"hline", ""},
                                      {"boxed", ""},
                                      {"fbox", ""},
                                      {"rm", ""},
                                      {"bf", ""},
                                      {"space", ""},
                                      {"thinspace", ""},
                                      {"top", "n:T"},
                                      {"intercal", "n:T"},
                                      {"imath", "c:i"},
                                      {"jmath", "n:j"},
                                      {"floor", "f:floor"},
                                      {"ceil", "f:ceil"},
                                      {"Re", "f:re"},
                                      {"Im", "f:im"},
                                      {"emptyset", "n:emptyset"},
                                      {"varnothing", "n:emptyset"}};
  return table;
}

const NameSet& function_names() {
  static const NameSet names = {
      "sin",     "cos",     "tan",    "cot",    "sec",     "csc",     "arcsin",  "arccos",
      "arctan",  "arccot",  "arcsec", "arccsc", "sinh",    "cosh",    "tanh",    "coth",
      "sech",    "csch",    "log",    "ln",     "lg",      "exp",     "det",     "tr",
      "gcd",     "lcm",     "max",    "min",    "arcsinh", "arccosh", "arctanh", "arccoth",
      "arcsech", "arccsch", "tg",     "ctg",    "cotg",    "cosec",   "arctg",   "arcctg",
      "cbrt",    "abs",     "Abs",    "cis",    "asin",    "acos",    "atan",    "acot",
      "asec",    "acsc",    "asinh",  "acosh",  "atanh",   "acoth",   "asech",   "acsch",
      "arsinh",  "arcosh",  "artanh", "arcoth", "arsech",  "arcsch",  "Rational"};
  return names;
}

const NameSet& called_names() {
  static const NameSet names = {"floor", "ceil", "ceiling", "round",    "sign",    "sgn",
                                "binom", "nCr",  "nPr",     "binomial", "nthroot", "factorial",
                                "re",    "im",   "arg",     "Re",       "Im"};
  return names;
}

const NameSet& latex_letters() {
  static const NameSet names = {
      "alpha", "beta",     "gamma", "delta",   "epsilon", "varepsilon", "zeta",  "eta",
      "theta", "vartheta", "iota",  "kappa",   "lambda",  "mu",         "nu",    "xi",
      "rho",   "sigma",    "tau",   "upsilon", "phi",     "varphi",     "chi",   "psi",
      "omega", "Gamma",    "Delta", "Theta",   "Lambda",  "Xi",         "Pi",    "Sigma",
      "Phi",   "Psi",      "Omega", "hbar",    "ell",     "odot",       "aleph", "triangle",
      "angle", "star",     "nabla", "partial"};
  return names;
}

const NameSet& greek_letters() {
  static const NameSet names = {"alpha", "beta",  "gamma", "delta",  "epsilon", "zeta",
                                "theta", "iota",  "kappa", "lambda", "sigma",   "omega",
                                "Gamma", "Delta", "Theta", "Lambda", "Sigma",   "Omega"};
  return names;
}

const NameSet& latex_silent_commands() {
  static const NameSet names = {"color",    "textcolor", "tag",    "phantom", "hphantom",
                                "vphantom", "hspace",    "vspace", "label",   "bbox"};
  return names;
}

const NameSet& latex_text_commands() {
  static const NameSet names = {"text",         "mbox", "textbf", "textit", "textrm",    "mathrm",
                                "operatorname", "hbox", "textsf", "texttt", "textnormal"};
  return names;
}

const NameSet& latex_font_commands() {
  static const NameSet names = {"mathbf",  "mathbb",  "mathcal",        "mathfrak",
                                "mathscr", "widehat", "tilde",          "dot",
                                "mathit",  "bm",      "boldsymbol",     "vec",
                                "hat",     "bar",     "overrightarrow", "mathsf"};
  return names;
}

}  // namespace ponder::judge
