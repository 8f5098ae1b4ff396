// Foundation as metal-cpp presents it, as far as Metal's compute API needs it, without Objective-C.
#pragma once

#include "Foundation/NSArray.hpp"
#include "Foundation/NSAutoreleasePool.hpp"
#include "Foundation/NSDictionary.hpp"
#include "Foundation/NSEnumerator.hpp"
#include "Foundation/NSError.hpp"
#include "Foundation/NSNumber.hpp"
#include "Foundation/NSObject.hpp"
#include "Foundation/NSRange.hpp"
#include "Foundation/NSSharedPtr.hpp"
#include "Foundation/NSString.hpp"
#include "Foundation/NSTypes.hpp"
#include "Foundation/NSURL.hpp"
