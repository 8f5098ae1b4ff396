#pragma once

#include <memory>
#include <string>

#include "Metal/MTLFunctionDescriptor.hpp"
#include "Metal/MTLTypes.hpp"

namespace mslc {
class Library;
struct KernelInfo;
struct FunctionConstant;
}  // namespace mslc

namespace MTL {

class Device;

enum FunctionType : NS::UInteger { FunctionTypeKernel = 3 };

enum LanguageVersion : NS::UInteger {
  LanguageVersion2_0 = 131072,
  LanguageVersion2_1 = 131073,
  LanguageVersion2_2 = 131074,
  LanguageVersion2_3 = 131075,
  LanguageVersion2_4 = 131076,
  LanguageVersion3_0 = 196608,
  LanguageVersion3_1 = 196609,
  LanguageVersion3_2 = 196610,
  LanguageVersion4_0 = 262144,
};

enum LibraryType : NS::Integer { LibraryTypeExecutable = 0, LibraryTypeDynamic = 1 };
enum LibraryOptimizationLevel : NS::Integer { LibraryOptimizationLevelDefault = 0, LibraryOptimizationLevelSize = 1 };
enum MathMode : NS::Integer { MathModeSafe = 0, MathModeRelaxed = 1, MathModeFast = 2 };
enum MathFloatingPointFunctions : NS::Integer {
  MathFloatingPointFunctionsFast = 0,
  MathFloatingPointFunctionsPrecise = 1,
};

enum LibraryError : NS::UInteger {
  LibraryErrorUnsupported = 1,
  LibraryErrorInternal = 2,
  LibraryErrorCompileFailure = 3,
  LibraryErrorCompileWarning = 4,
  LibraryErrorFunctionNotFound = 5,
  LibraryErrorFileNotFound = 6,
};

/// How source is compiled. As on Metal, fast mathematics are the default: ask for MathModeSafe to keep
/// infinities, NaN and the order of operations.
class CompileOptions : public NS::Copying<CompileOptions> {
 public:
  static CompileOptions* alloc();
  CompileOptions* init() { return this; }

  bool fastMathEnabled() const { return math_mode_ == MathModeFast; }
  void setFastMathEnabled(bool fastMathEnabled) { math_mode_ = fastMathEnabled ? MathModeFast : MathModeSafe; }
  MathMode mathMode() const { return math_mode_; }
  void setMathMode(MathMode mathMode) { math_mode_ = mathMode; }
  MathFloatingPointFunctions mathFloatingPointFunctions() const { return functions_; }
  void setMathFloatingPointFunctions(MathFloatingPointFunctions functions) { functions_ = functions; }

  /// Names to String or Number.
  NS::Dictionary* preprocessorMacros() const { return macros_.get(); }
  void setPreprocessorMacros(const NS::Dictionary* preprocessorMacros);

  LanguageVersion languageVersion() const { return version_; }
  void setLanguageVersion(LanguageVersion languageVersion) { version_ = languageVersion; }
  LibraryOptimizationLevel optimizationLevel() const { return level_; }
  void setOptimizationLevel(LibraryOptimizationLevel optimizationLevel) { level_ = optimizationLevel; }
  NS::UInteger maxTotalThreadsPerThreadgroup() const { return max_threads_; }
  void setMaxTotalThreadsPerThreadgroup(NS::UInteger maxTotalThreads) { max_threads_ = maxTotalThreads; }

 protected:
  NS::Object* newCopy() const override;

 private:
  MathMode math_mode_ = MathModeFast;
  MathFloatingPointFunctions functions_ = MathFloatingPointFunctionsFast;
  LanguageVersion version_ = LanguageVersion3_2;
  LibraryOptimizationLevel level_ = LibraryOptimizationLevelDefault;
  NS::UInteger max_threads_ = 0;
  NS::SharedPtr<NS::Dictionary> macros_;
};

/// A [[function_constant(index)]] of the source.
class FunctionConstant : public NS::Referencing<FunctionConstant> {
 public:
  NS::String* name() const { return name_.get(); }
  DataType type() const { return type_; }
  NS::UInteger index() const { return index_; }

 private:
  friend class Function;
  explicit FunctionConstant(const mslc::FunctionConstant& constant);

  NS::SharedPtr<NS::String> name_;
  DataType type_;
  NS::UInteger index_;
};

/// One kernel of a library, with values for its function constants.
class Function : public NS::Referencing<Function> {
 public:
  Device* device() const;
  FunctionType functionType() const { return FunctionTypeKernel; }
  NS::String* name() const { return name_.get(); }
  NS::String* label() const { return label_.get(); }
  void setLabel(const NS::String* label);
  FunctionOptions options() const { return FunctionOptionNone; }
  /// Names to FunctionConstant: those of the whole library, whether this function uses them or not.
  NS::Dictionary* functionConstantsDictionary() const;

 private:
  friend class Library;
  friend class Device;
  Function() = default;

  NS::SharedPtr<NS::String> name_, label_;
  std::shared_ptr<mslc::Library> library_;
  std::string kernel_;
  std::map<unsigned, std::vector<uint8_t>> constants_;
};

class Library : public NS::Referencing<Library> {
 public:
  Device* device() const;
  NS::Array* functionNames() const;
  LibraryType type() const { return LibraryTypeExecutable; }
  NS::String* label() const { return label_.get(); }
  void setLabel(const NS::String* label);

  /// Null if the library has no kernel of that name.
  Function* newFunction(const NS::String* functionName);
  Function* newFunction(const NS::String* name, const FunctionConstantValues* constantValues, NS::Error** error);
  Function* newFunction(const FunctionDescriptor* descriptor, NS::Error** error);

 private:
  friend class Device;
  explicit Library(std::shared_ptr<mslc::Library> library) : library_(std::move(library)) {}

  std::shared_ptr<mslc::Library> library_;
  NS::SharedPtr<NS::String> label_;
};

}  // namespace MTL
