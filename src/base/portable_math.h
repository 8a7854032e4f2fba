// The few transcendental functions whose values end up in weights or rollouts, written in plain
// products and sums (double): the C library picks other code on other CPUs, and a last bit there
// would become another model.
#pragma once

namespace ponder {

// exp(x); relative error below 1e-15. 0 below -708, and x above 708 counts as 708.
double portable_exp(double x);

// Natural logarithm of a normal x > 0; relative error below 1e-14.
double portable_log(double x);

// cos(pi x) for x in [0, 1]; absolute error below 1e-15.
double portable_cos_pi(double x);

// base^exponent by repeated squaring, exponent >= 0.
double portable_power(double base, long exponent);

}  // namespace ponder
