#pragma once
typedef struct objc_class* Class;
struct objc_object {
  Class isa;
};
typedef objc_object* id;
typedef struct objc_selector* SEL;
extern "C" Class objc_lookUpClass(const char* name);
