#include "front/reflection.h"

#include <clang/AST/DeclTemplate.h>
#include <clang/AST/Mangle.h>
#include <clang/AST/Type.h>
#include <clang/Basic/SourceManager.h>

#include <llvm/ADT/StringSet.h>

#include <algorithm>

#include "front/diagnostics.h"
#include "front/kernel_arguments.h"

namespace mslc {

namespace {

class Reflector {
 public:
  Reflector(clang::Sema& sema, clang::CodeGenerator& code)
      : sema_(sema), context_(sema.getASTContext()), code_(code), names_(context_) {}

  void visit(clang::Decl* declaration) {
    if (auto* function = llvm::dyn_cast<clang::FunctionDecl>(declaration)) {
      visit_function(function);
    } else if (auto* function_template = llvm::dyn_cast<clang::FunctionTemplateDecl>(declaration)) {
      if (function_template->isCanonicalDecl()) visit_template(*function_template);
    } else if (auto* variable = llvm::dyn_cast<clang::VarDecl>(declaration)) {
      visit_variable(variable);
    } else if (auto* scope = llvm::dyn_cast<clang::DeclContext>(declaration)) {
      if (llvm::isa<clang::NamespaceDecl, clang::LinkageSpecDecl>(declaration)) {
        for (clang::Decl* inner : scope->decls()) visit(inner);
      }
    }
  }

  Reflection take() {
    const clang::SourceManager& sources = context_.getSourceManager();
    std::stable_sort(result_.kernels.begin(), result_.kernels.end(), [&](const auto& a, const auto& b) {
      return sources.isBeforeInTranslationUnit(place(*a.declaration), place(*b.declaration));
    });
    return std::move(result_);
  }

 private:
  static clang::SourceLocation place(const clang::FunctionDecl& kernel) {
    const clang::SourceLocation instantiated = kernel.getPointOfInstantiation();
    return instantiated.isValid() ? instantiated : kernel.getLocation();
  }

  void visit_template(clang::FunctionTemplateDecl& function_template) {
    for (clang::FunctionDecl* instance : function_template.specializations()) {
      if (instance->getTemplateSpecializationKind() == clang::TSK_ExplicitInstantiationDefinition) visit_function(instance);
    }
  }

  void visit_function(clang::FunctionDecl* function) {
    if (!function->isThisDeclarationADefinition() && !function->isTemplateInstantiation()) return;
    if (!find_annotation(*function, "kernel")) return;
    std::vector<std::string> host_names = host_names_of(*function);
    if (host_names.empty()) host_names.push_back(function->getNameAsString());
    for (std::string& name : host_names) {
      ReflectedKernel kernel;
      if (!names_of_kernels_.insert(name).second) {
        report_error(context_.getDiagnostics(), place(*function), "another kernel is named '%0'", name);
      }
      kernel.info.name = std::move(name);
      kernel.info.arguments = kernel_arguments(*function, sema_);
      if (const auto* limit = find_annotation(*function, "max_total_threads_per_threadgroup")) {
        if (const auto threads = integer_argument(*limit, context_)) kernel.info.max_threads_per_threadgroup = *threads;
      }
      kernel.function_name = code_.GetMangledName(function);
      kernel.declaration = function;
      result_.kernels.push_back(std::move(kernel));
    }
  }

  static std::vector<std::string> host_names_of(const clang::FunctionDecl& function) {
    std::vector<std::string> names;
    for (const auto* annotation : function.specific_attrs<clang::AnnotateAttr>()) {
      if (annotation->getAnnotation() != "msl:host_name") continue;
      if (std::optional<std::string> name = string_argument(*annotation)) names.push_back(std::move(*name));
    }
    return names;
  }

  void visit_variable(clang::VarDecl* variable) {
    const auto* annotation = find_annotation(*variable, "function_constant");
    if (!annotation) return;
    const auto index = integer_argument(*annotation, context_);
    if (!index || !sema_.isCompleteType(variable->getLocation(), variable->getType())) return;
    ReflectedConstant constant;
    constant.info.name = variable->getNameAsString();
    constant.info.type = type_name(variable->getType().getUnqualifiedType(), context_);
    constant.info.index = *index;
    constant.info.size = context_.getTypeSizeInChars(variable->getType()).getQuantity();
    constant.value_name = names_.getName(variable);
    constant.defined_name = defined_name(*variable);
    result_.constants.push_back(std::move(constant));
  }

  // The companion is declared right after the constant.
  std::string defined_name(const clang::VarDecl& variable) {
    const auto* companion = llvm::dyn_cast_or_null<clang::VarDecl>(variable.getNextDeclInContext());
    return companion ? names_.getName(companion) : std::string();
  }

  clang::Sema& sema_;
  clang::ASTContext& context_;
  clang::CodeGenerator& code_;
  clang::ASTNameGenerator names_;
  llvm::StringSet<> names_of_kernels_;
  Reflection result_;
};

}  // namespace

Reflection reflect(clang::Sema& sema, llvm::ArrayRef<clang::Decl*> declarations, clang::CodeGenerator& code) {
  Reflector reflector(sema, code);
  for (clang::Decl* declaration : declarations) reflector.visit(declaration);
  return reflector.take();
}

const clang::AnnotateAttr* find_annotation(const clang::Decl& declaration, llvm::StringRef name) {
  for (const auto* annotation : declaration.specific_attrs<clang::AnnotateAttr>()) {
    llvm::StringRef text = annotation->getAnnotation();
    if (text.consume_front("msl:") && text == name) return annotation;
  }
  return nullptr;
}

std::optional<uint64_t> integer_argument(const clang::AnnotateAttr& annotation, const clang::ASTContext& context) {
  clang::Expr::EvalResult value;
  if (annotation.args_size() != 1) return std::nullopt;
  const clang::Expr* argument = *annotation.args_begin();
  if (argument->isValueDependent() || !argument->EvaluateAsInt(value, context)) return std::nullopt;
  return value.Val.getInt().getZExtValue();
}

std::optional<std::string> string_argument(const clang::AnnotateAttr& annotation) {
  if (annotation.args_size() != 1) return std::nullopt;
  const clang::Expr* argument = (*annotation.args_begin())->IgnoreParenImpCasts();
  if (const auto* constant = llvm::dyn_cast<clang::ConstantExpr>(argument)) {
    argument = constant->getSubExpr()->IgnoreParenImpCasts();
  }
  const auto* text = llvm::dyn_cast<clang::StringLiteral>(argument);
  return text ? std::optional(text->getString().str()) : std::nullopt;
}

namespace {

llvm::StringRef scalar_name(const clang::BuiltinType& type) {
  switch (type.getKind()) {
    case clang::BuiltinType::Bool:
    case clang::BuiltinType::SChar: return "bool";  // signed char is the element of boolN alone
    case clang::BuiltinType::UChar: return "uchar";
    case clang::BuiltinType::UShort: return "ushort";
    case clang::BuiltinType::UInt: return "uint";
    case clang::BuiltinType::ULong: return "ulong";
    case clang::BuiltinType::BFloat16: return "bfloat";
    case clang::BuiltinType::Half: return "half";
    default: return {};
  }
}

std::string value_type_name(clang::QualType type, const clang::ASTContext& context) {
  if (const auto* vector = type->getAs<clang::ExtVectorType>()) {
    return value_type_name(vector->getElementType(), context) + std::to_string(vector->getNumElements());
  }
  if (const auto* scalar = type->getAs<clang::BuiltinType>()) {
    if (const llvm::StringRef name = scalar_name(*scalar); !name.empty()) return name.str();
  }
  clang::PrintingPolicy policy = context.getPrintingPolicy();
  policy.SuppressTagKeyword = true;
  return type.getCanonicalType().getUnqualifiedType().getAsString(policy);
}

std::string qualifier_names(clang::QualType type) {
  switch (type.getAddressSpace()) {
    case kDevice: return type.isConstQualified() ? "device const " : "device ";
    case kThreadgroup: return type.isConstQualified() ? "threadgroup const " : "threadgroup ";
    case kConstant: return "constant ";
    default: return type.isConstQualified() ? "const " : "";
  }
}

}  // namespace

std::string type_name(clang::QualType type, const clang::ASTContext& context) {
  if (type->isPointerType() || type->isReferenceType()) {
    return type_name(type->getPointeeType(), context) + (type->isPointerType() ? "*" : "&");
  }
  clang::QualType unqualified = context.removeAddrSpaceQualType(type).getUnqualifiedType();
  return qualifier_names(type) + value_type_name(unqualified, context);
}

}  // namespace mslc
