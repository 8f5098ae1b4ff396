// Reference counts, autorelease pools and the value classes.
#include <thread>

#include "harness.h"

TEST(shared_pointers_count_references) {
  auto string = NS::TransferPtr(NS::String::alloc()->init("text", NS::UTF8StringEncoding));
  CHECK_EQUAL(string->retainCount(), 1u);
  {
    const NS::SharedPtr<NS::Object> other = string;
    CHECK_EQUAL(string->retainCount(), 2u);
  }
  CHECK_EQUAL(string->retainCount(), 1u);
  const auto retained = NS::RetainPtr(string.get());
  CHECK_EQUAL(retained->retainCount(), 2u);
  string = nullptr;
  CHECK_EQUAL(retained->retainCount(), 1u);
}

TEST(assigning_a_shared_pointer_to_itself_keeps_the_object) {
  auto string = NS::TransferPtr(NS::String::alloc()->init());
  const auto& same = string;
  string = same;
  CHECK_EQUAL(string->retainCount(), 1u);
}

TEST(null_may_be_retained_and_released) {
  NS::String* const nothing = nullptr;
  const auto pointer = NS::RetainPtr(nothing);
  CHECK(!pointer);
}

TEST(autorelease_pools_release_when_they_end) {
  const auto object = NS::TransferPtr(NS::String::alloc()->init());
  auto outer = NS::TransferPtr(NS::AutoreleasePool::alloc()->init());
  object->retain()->autorelease();
  auto inner = NS::TransferPtr(NS::AutoreleasePool::alloc()->init());
  object->retain()->autorelease();
  CHECK_EQUAL(object->retainCount(), 3u);
  inner.reset();
  CHECK_EQUAL(object->retainCount(), 2u);
  outer.reset();
  CHECK_EQUAL(object->retainCount(), 1u);
}

TEST(draining_an_outer_pool_drains_the_inner_ones) {
  const auto object = NS::TransferPtr(NS::String::alloc()->init());
  auto* const outer = NS::AutoreleasePool::alloc()->init();
  auto* const inner = NS::AutoreleasePool::alloc()->init();
  object->retain()->autorelease();
  outer->drain();
  CHECK_EQUAL(object->retainCount(), 1u);
  inner->drain();
  CHECK_EQUAL(object->retainCount(), 1u);
}

TEST(what_is_autoreleased_without_a_pool_lives_until_its_thread_ends) {
  const auto object = NS::TransferPtr(NS::String::alloc()->init());
  NS::UInteger inside = 0;
  std::thread([&] {
    object->retain()->autorelease();
    inside = object->retainCount();
  }).join();
  CHECK_EQUAL(inside, 2u);
  CHECK_EQUAL(object->retainCount(), 1u);
}

TEST(strings_count_in_utf16_units) {
  const NS::String* const string = metal_test::text("a\xC3\xA9\xF0\x9F\x99\x82");  // a, e with acute, a smiley
  CHECK_EQUAL(string->length(), 4u);
  CHECK_EQUAL(string->character(1), 0xE9);
  CHECK_EQUAL(string->character(2), 0xD83D);
  CHECK_EQUAL(string->character(3), 0xDE42);
  CHECK_EQUAL(string->lengthOfBytes(NS::UTF8StringEncoding), 7u);
  CHECK(NS::String::string("\xC3\xA9", NS::ASCIIStringEncoding) == nullptr);
}

TEST(string_literals_are_one_object_each) {
  const auto literal = [] { return MTLSTR("constant"); };
  CHECK(literal() == literal());
  CHECK(literal()->isEqualToString(metal_test::text("constant")));
  const NS::Range range = literal()->rangeOfString(MTLSTR("STANT"), NS::CaseInsensitiveSearch);
  CHECK_EQUAL(range.location, 3u);
}

TEST(dictionaries_find_equal_keys) {
  const NS::Object* const keys[] = {metal_test::text("one"), NS::Number::number(2)};
  const NS::Object* const values[] = {NS::Number::number(1), metal_test::text("two")};
  const NS::Dictionary* const dictionary = NS::Dictionary::dictionary(values, keys, 2);
  CHECK_EQUAL(dictionary->count(), 2u);
  CHECK_EQUAL(dictionary->object<NS::Number>(metal_test::text("one"))->intValue(), 1);
  CHECK(dictionary->object<NS::String>(NS::Number::number(2.0))->isEqualToString(MTLSTR("two")));
  CHECK(dictionary->object(metal_test::text("three")) == nullptr);
  auto* const enumerator = dictionary->keyEnumerator();
  CHECK(enumerator->nextObject() && enumerator->nextObject() && !enumerator->nextObject());
}

TEST(arrays_own_their_elements) {
  const auto element = NS::TransferPtr(NS::String::alloc()->init());
  const NS::Object* const elements[] = {element.get()};
  auto array = NS::TransferPtr(NS::Array::alloc()->init(elements, 1));
  CHECK_EQUAL(element->retainCount(), 2u);
  CHECK(array->object<NS::String>(0) == element.get());
  array.reset();
  CHECK_EQUAL(element->retainCount(), 1u);
}

TEST(numbers_convert_and_compare) {
  CHECK_EQUAL(NS::Number::number(-3)->longLongValue(), -3);
  CHECK_EQUAL(NS::Number::number(2.5)->intValue(), 2);
  CHECK_EQUAL(NS::Number::number(-1)->compare(NS::Number::number(~0ull)), NS::OrderedAscending);
  CHECK(NS::Number::number(true)->isEqualToNumber(NS::Number::number(1u)));
}

TEST(copies_of_mutable_objects_are_independent) {
  const auto options = NS::TransferPtr(MTL::CompileOptions::alloc()->init());
  const auto copy = NS::TransferPtr(options->copy());
  copy->setMathMode(MTL::MathModeSafe);
  CHECK(options->fastMathEnabled() && !copy->fastMathEnabled());
}
