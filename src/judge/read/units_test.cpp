#include "judge/test_pairs.h"

namespace ponder::judge {
namespace {

TEST(Units, convert_within_a_dimension) {
  expect_verdicts({{"1 km", "1000 m", 'c'},
                   {"5\\text{ km}", "5000\\text{ m}", 'c'},
                   {"2 hours", "120 minutes", 'c'},
                   {"90 minutes", "1.5 hours", 'c'},
                   {"1.5 h", "90 min", 'c'},
                   {"100\\text{ cm}^2", "0.01\\text{ m}^2", 'c'},
                   {"36\\text{ km/h}", "10\\text{ m/s}", 'c'},
                   {"60 miles per hour", "60 mph", 'c'},
                   {"60\\text{ mph}", "88\\text{ feet per second}", 'c'},
                   {"3 kg", "3000 grams", 'c'},
                   {"\\$5", "500 cents", 'c'},
                   {"5 dollars", "5 cents", 'i'},
                   {"5\\text{ cm}", "5\\text{ m}", 'i'},
                   {"5 hours", "5 miles", 'i'},
                   {"15\\mbox{ cm}^2", "15\\text{ cm}", 'c'},
                   {"10\\text{ cm}", "10", 'c'},
                   {"10", "10 m", 'c'},
                   {"10", "10\\text{ m/s}", 'c'},
                   {"2\\text{ square meters}", "20000\\text{ cm}^2", 'c'},
                   {"1\\text{ m}^3", "1000\\text{ liters}", 'c'},
                   {"9.8\\text{ m/s}^2", "9.8 m/s^2", 'c'},
                   {"0.64N", "0.64\\text{ N}", 'c'},
                   {"12\\text{ inches}", "1\\text{ foot}", 'c'},
                   {"5\\text{ apples}", "5", 'c'},
                   {"5\\text{ apples}", "5\\text{ pears}", 'c'},
                   {"3\\,\\mathrm{m}", "300\\,\\mathrm{cm}", 'c'},
                   {"3\\,\\mathrm{~m} / \\mathrm{s}", "3\\,\\mathrm{m}\\,\\mathrm{s}^{-1}", 'c'},
                   {"5\\pi\\text{ cm}", "5\\pi", 'c'},
                   {"2m+3", "2m+3", 'c'},
                   {"5 m", "7 m", 'i'},
                   {"1 day", "24 hours", 'c'},
                   {"7 days", "1 week", 'c'},
                   {"4\\text{ inches per second}", "4", 'c'},
                   {"12", "12 \\text{ square units}", 'c'}});
}

TEST(Units, several_of_one_kind_are_one_amount) {
  expect_verdicts({{"3\\text{ hours }30\\text{ minutes}", "3.5 hours", 'c'},
                   {"3.5 hours", "3 hours 30 minutes", 'c'},
                   {"3 hours 30 minutes", "210 minutes", 'c'},
                   {"3 hours 30 minutes", "210\\text{ min}", 'c'},
                   {"3 hours 30 minutes", "3.3 hours", 'i'},
                   {"3 hours 30 minutes", "3.5", 'c'},
                   {"3 hours 30 minutes", "210", 'c'},
                   {"3 hours 30 minutes", "330", 'i'},
                   {"3 hours 30 minutes", "3.5 minutes", 'i'},
                   {"3 hours 30 minutes", "3.5 miles", 'i'},
                   {"3 hours and 30 minutes", "3h 30m", 'c'},
                   {"3 hours, 30 minutes", "3 hr 30 min", 'c'},
                   {"3 hours 30 minutes", "3 hours 20 minutes", 'i'},
                   {"3 hours 30 minutes", "30 minutes 3 hours", 'u'},
                   {"3 hours 90 minutes", "4.5 hours", 'u'},
                   {"3.5 hours 30 minutes", "4 hours", 'u'},
                   {"3 hours 30 minutes", "3:30", 'u'},
                   {"1 hour 2 minutes 3 seconds", "3723 s", 'c'},
                   {"2.33 hours", "2 hours 20 minutes", 'c'},
                   {"5 ft 10 in", "70 inches", 'c'},
                   {"5'10\"", "70 inches", 'c'},
                   {"5' 10''", "5 feet 10 inches", 'c'},
                   {"5^{\\prime} 10^{\\prime\\prime}", "5 feet and 10 inches", 'c'},
                   {"5'10\"", "5'11\"", 'i'},
                   {"5 feet 10 inches", "5.10 feet", 'i'},
                   {"2 pounds 4 ounces", "2.25 lbs", 'c'},
                   {"1\\text{ m } 5\\text{ cm}", "105 cm", 'c'},
                   {"1 mile 80 feet", "5360 ft", 'c'},
                   {"5 dollars and 50 cents", "\\$5.50", 'c'},
                   {"1 year 6 months", "1.5 years", 'c'},
                   {"1 month 3 days", "33 days", 'u'},
                   {"2 hours 3 miles", "6", 'u'}});
}

TEST(Units, strict_units_must_match) {
  JudgeOptions options;
  options.units = Strictness::kStrict;
  expect_verdicts({{"10\\text{ cm}", "10", 'i'},
                   {"10", "10 cm", 'i'},
                   {"10\\text{ cm}", "10 cm", 'c'},
                   {"10\\text{ cm}", "100\\text{ mm}", 'c'},
                   {"3 hours 30 minutes", "3.5 hours", 'c'},
                   {"3 hours 30 minutes", "3.5", 'i'},
                   {"15\\text{ cm}^2", "15\\text{ cm}", 'i'},
                   {"7", "7", 'c'},
                   {"5\\text{ apples}", "5\\text{ apples}", 'c'}},
                  options);
}

TEST(Units, strict_order_keeps_lists_in_order) {
  JudgeOptions options;
  options.order = Strictness::kStrict;
  expect_verdicts({{"1,2,3", "3,2,1", 'i'},
                   {"1,2,3", "1,2,3", 'c'},
                   {"\\{1,2\\}", "\\{2,1\\}", 'c'},
                   {"x=1,x=2", "x=2,x=1", 'i'}},
                  options);
}

}  // namespace
}  // namespace ponder::judge
