#include "front/kernel_arguments.h"

#include <clang/AST/ASTContext.h>
#include <clang/AST/Attr.h>
#include <clang/Basic/Diagnostic.h>

#include <bitset>

#include "front/diagnostics.h"
#include "front/reflection.h"

namespace mslc {

namespace {

// Built-in inputs: positions and sizes may be vectors, indices and counts of the linear order are scalars.
enum class BuiltInShape { Vector, Scalar };

const llvm::StringMap<BuiltInShape>& built_ins() {
  static const llvm::StringMap<BuiltInShape> table = {
      {"thread_position_in_grid", BuiltInShape::Vector},
      {"thread_position_in_threadgroup", BuiltInShape::Vector},
      {"threadgroup_position_in_grid", BuiltInShape::Vector},
      {"threads_per_grid", BuiltInShape::Vector},
      {"threads_per_threadgroup", BuiltInShape::Vector},
      {"threadgroups_per_grid", BuiltInShape::Vector},
      {"dispatch_threads_per_threadgroup", BuiltInShape::Vector},
      {"grid_origin", BuiltInShape::Vector},
      {"grid_size", BuiltInShape::Vector},
      {"thread_index_in_threadgroup", BuiltInShape::Scalar},
      {"thread_index_in_simdgroup", BuiltInShape::Scalar},
      {"thread_index_in_quadgroup", BuiltInShape::Scalar},
      {"simdgroup_index_in_threadgroup", BuiltInShape::Scalar},
      {"quadgroup_index_in_threadgroup", BuiltInShape::Scalar},
      {"simdgroups_per_threadgroup", BuiltInShape::Scalar},
      {"quadgroups_per_threadgroup", BuiltInShape::Scalar},
      {"dispatch_simdgroups_per_threadgroup", BuiltInShape::Scalar},
      {"dispatch_quadgroups_per_threadgroup", BuiltInShape::Scalar},
      {"threads_per_simdgroup", BuiltInShape::Scalar},
      {"thread_execution_width", BuiltInShape::Scalar},
  };
  return table;
}

// Hands out the entries of a table: asked for first, then the free ones in order.
class ArgumentTable {
 public:
  bool take(unsigned index) {
    if (index >= kMaxBuffers || used_[index]) return false;
    used_.set(index);
    return true;
  }
  unsigned take_free() {
    unsigned index = 0;
    while (index < kMaxBuffers && used_[index]) ++index;
    if (index < kMaxBuffers) used_.set(index);
    return index;
  }

 private:
  std::bitset<kMaxBuffers> used_;
};

class KernelArguments {
 public:
  KernelArguments(const clang::FunctionDecl& kernel, clang::Sema& sema)
      : kernel_(kernel), sema_(sema), context_(sema.getASTContext()) {}

  std::vector<Argument> describe() {
    if (!kernel_.getReturnType()->isVoidType()) {
      report(kernel_.getLocation(), "kernel must have void return type, not '%0'",
             type_name(kernel_.getReturnType(), context_));
    }
    for (const clang::ParmVarDecl* parameter : kernel_.parameters()) arguments_.push_back(argument(*parameter));
    assign_free_indices();
    return std::move(arguments_);
  }

 private:
  Argument argument(const clang::ParmVarDecl& parameter) {
    Argument result;
    result.name = parameter.getNameAsString();
    result.type = type_name(parameter.getType(), context_);
    std::string source;  // the attribute that says where the value comes from
    for (const auto* annotation : parameter.specific_attrs<clang::AnnotateAttr>()) {
      llvm::StringRef name = annotation->getAnnotation();
      if (!name.consume_front("msl:")) continue;
      if (name == "exists_if") {
        check_condition(parameter, *annotation);
        continue;
      }
      const bool memory = name == "buffer" || name == "threadgroup";
      if (!memory && !built_ins().count(name)) {
        report(parameter.getLocation(), "unknown attribute '%0' on a kernel parameter", name.str());
      } else if (!memory && annotation->args_size() > 0) {
        report(parameter.getLocation(), "attribute '%0' takes no argument", name.str());
      } else if (!source.empty()) {
        report(parameter.getLocation(), "attributes '%0' and '%1' cannot be on one parameter", source, name.str());
      }
      source = name.str();
      if (!memory) result.attribute = name.str();
    }
    if (!result.attribute.empty()) {
      describe_built_in(parameter, result);
    } else {
      describe_memory(parameter, result);
    }
    return result;
  }

  // `function_constant(x)` on a parameter, which the rewrites made `exists_if(&x)`.
  void check_condition(const clang::ParmVarDecl& parameter, const clang::AnnotateAttr& annotation) {
    const clang::Expr* argument = annotation.args_size() == 1 ? (*annotation.args_begin())->IgnoreParenImpCasts() : nullptr;
    if (const auto* constant = llvm::dyn_cast_or_null<clang::ConstantExpr>(argument)) {
      argument = constant->getSubExpr()->IgnoreParenImpCasts();
    }
    const auto* address = llvm::dyn_cast_or_null<clang::UnaryOperator>(argument);
    if (!address || !address->getSubExpr()->getType()->isBooleanType()) {
      report(parameter.getLocation(), "attribute 'function_constant' on a parameter needs a function constant of type bool");
    }
  }

  void describe_built_in(const clang::ParmVarDecl& parameter, Argument& result) {
    const clang::QualType type = parameter.getType().getCanonicalType().getUnqualifiedType();
    result.kind = ArgumentKind::BuiltIn;
    describe_size(type, result);
    const auto shape = built_ins().find(result.attribute);
    if (shape == built_ins().end()) return;
    const auto* vector = type->getAs<clang::ExtVectorType>();
    const clang::QualType element = vector ? vector->getElementType() : type;
    const bool integer = context_.hasSameType(element, context_.UnsignedIntTy) ||
                         context_.hasSameType(element, context_.UnsignedShortTy);
    if (!integer || (vector && (shape->second == BuiltInShape::Scalar || vector->getNumElements() > 3))) {
      report(parameter.getLocation(), "invalid type '%0' for attribute '%1'", result.type, result.attribute);
      return;
    }
    check_against_others({&parameter, result.attribute, element, vector ? vector->getNumElements() : 1}, shape->second);
  }

  // A built-in input that fits by itself, with its element type and length.
  struct BuiltIn {
    const clang::ParmVarDecl* parameter;
    std::string attribute;
    clang::QualType element;
    unsigned length;
  };

  // Positions and sizes of one kernel have one length; a position and the size it lies in have one type.
  void check_against_others(const BuiltIn& built_in, BuiltInShape shape) {
    const clang::SourceLocation location = built_in.parameter->getLocation();
    for (const BuiltIn& other : built_ins_) {
      const bool vectors = shape == BuiltInShape::Vector && built_ins().lookup(other.attribute) == BuiltInShape::Vector;
      if (same_value(built_in.attribute, other.attribute)) {
        report(location, "attribute '%0' is used by another parameter", other.attribute);
      } else if (vectors && built_in.length != other.length) {
        report(location, "attributes '%0' and '%1' need types of the same length", other.attribute, built_in.attribute);
      } else if (same_space(built_in.attribute, other.attribute) && !context_.hasSameType(built_in.element, other.element)) {
        report(location, "attributes '%0' and '%1' need the same type", other.attribute, built_in.attribute);
      } else {
        continue;
      }
      return;
    }
    built_ins_.push_back(built_in);
  }

  static bool same_value(llvm::StringRef a, llvm::StringRef b) {
    const auto canonical = [](llvm::StringRef name) { return name == "thread_execution_width" ? "threads_per_simdgroup" : name; };
    return canonical(a) == canonical(b);
  }

  static bool same_space(llvm::StringRef a, llvm::StringRef b) {
    const auto both_in = [&](llvm::ArrayRef<llvm::StringRef> names) {
      return llvm::is_contained(names, a) && llvm::is_contained(names, b);
    };
    return both_in({"thread_position_in_grid", "threads_per_grid"}) ||
           both_in({"thread_position_in_threadgroup", "threads_per_threadgroup", "dispatch_threads_per_threadgroup"});
  }

  void describe_memory(const clang::ParmVarDecl& parameter, Argument& result) {
    const clang::QualType type = parameter.getType();
    const bool indirect = type->isPointerType() || type->isReferenceType();
    const clang::QualType pointee = indirect ? type->getPointeeType() : type;
    const clang::LangAS space = pointee.getAddressSpace();
    const bool threadgroup = space == kThreadgroup;
    const bool buffer = space == kDevice || space == kConstant;
    if (!indirect || (!threadgroup && !buffer)) {
      report(parameter.getLocation(), indirect ? "kernel parameter of type '%0' must be in the device, constant or threadgroup address space"
                                               : "kernel parameter of type '%0' has no attribute that gives it a value",
             result.type);
      return;
    }
    result.kind = threadgroup ? ArgumentKind::ThreadgroupMemory : ArgumentKind::Buffer;
    result.read_only = pointee.isConstQualified();
    describe_size(pointee, result);

    const char* expected = threadgroup ? "threadgroup" : "buffer";
    const char* other = threadgroup ? "buffer" : "threadgroup";
    if (find_annotation(parameter, other)) {
      report(parameter.getLocation(), "attribute '%0' cannot be applied to a parameter of type '%1'", other, result.type);
    }
    const auto* annotation = find_annotation(parameter, expected);
    if (!annotation) {
      unassigned_.push_back(arguments_.size());
      return;
    }
    const auto index = integer_argument(*annotation, context_);
    // Of arguments at one index that exist under conditions, one exists.
    const bool conditional = find_annotation(parameter, "exists_if");
    if (!index || *index >= kMaxBuffers) {
      report(parameter.getLocation(), "'%0' attribute needs an index from 0 to 30", expected);
    } else if (!table(result).take(*index) && !conditional) {
      report(parameter.getLocation(), "%0 index %1 is used by another parameter", expected, std::to_string(*index));
    } else {
      result.index = *index;
    }
  }

  void describe_size(clang::QualType type, Argument& result) {
    // Instantiates a class template that the kernel only points to.
    if (!sema_.isCompleteType(kernel_.getLocation(), type)) return;
    result.size = context_.getTypeSizeInChars(type).getQuantity();
    result.alignment = context_.getTypeAlignInChars(type).getQuantity();
  }

  void assign_free_indices() {
    for (const size_t which : unassigned_) {
      Argument& argument = arguments_[which];
      argument.index = table(argument).take_free();
      if (argument.index >= kMaxBuffers) {
        report(kernel_.getParamDecl(which)->getLocation(), "kernel has more than 31 arguments of this kind");
      }
    }
  }

  ArgumentTable& table(const Argument& argument) {
    return argument.kind == ArgumentKind::ThreadgroupMemory ? threadgroup_memory_ : buffers_;
  }

  template <typename... Values>
  void report(clang::SourceLocation location, llvm::StringRef format, const Values&... values) {
    report_error(context_.getDiagnostics(), location, format, values...);
  }

  const clang::FunctionDecl& kernel_;
  clang::Sema& sema_;
  clang::ASTContext& context_;
  std::vector<Argument> arguments_;
  std::vector<size_t> unassigned_;
  std::vector<BuiltIn> built_ins_;
  ArgumentTable buffers_, threadgroup_memory_;
};

}  // namespace

std::vector<Argument> kernel_arguments(const clang::FunctionDecl& kernel, clang::Sema& sema) {
  return KernelArguments(kernel, sema).describe();
}

}  // namespace mslc
