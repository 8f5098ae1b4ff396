// The one declaration of IOSurface that metal-cpp's headers use. On a Mac the system's own header is used.
#pragma once

typedef struct __IOSurface* IOSurfaceRef;
