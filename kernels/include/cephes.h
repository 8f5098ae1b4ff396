// The inverse of the normal distribution and Airy's function in single precision, by the rational approximations of the
// Cephes Mathematical Library (S. L. Moshier), as PyTorch has them.
#pragma once
#include <metal_stdlib>

namespace cephes {

/// A polynomial, highest power first.
template <int n>
inline float polynomial(float x, constant float (&coefficients)[n]) {
  float sum = coefficients[0];
  for (int i = 1; i < n; ++i) sum = sum * x + coefficients[i];
  return sum;
}

// ndtri: the center, and the tail by z = 1 / sqrt(-2 log y), y from exp(-2) to exp(-32) and below.
constant float kNdtriCenterP[] = {-5.99633501014107895267e1f, 9.80010754185999661536e1f, -5.66762857469070293439e1f,
                                  1.39312609387279679503e1f, -1.23916583867381258016f};
constant float kNdtriCenterQ[] = {1.0f, 1.95448858338141759834f, 4.67627912898881538453f, 8.63602421390890590575e1f,
                                  -2.25462687854119370527e2f, 2.00260212380060660359e2f, -8.20372256168333339912e1f,
                                  1.59056225126211695515e1f, -1.18331621121330003142f};
constant float kNdtriTailP[] = {4.05544892305962419923f, 3.15251094599893866154e1f, 5.71628192246421288162e1f,
                                4.40805073893200834700e1f, 1.46849561928858024014e1f, 2.18663306850790267539f,
                                -1.40256079171354495875e-1f, -3.50424626827848203418e-2f, -8.57456785154685413611e-4f};
constant float kNdtriTailQ[] = {1.0f, 1.57799883256466749731e1f, 4.53907635128879210584e1f, 4.13172038254672030440e1f,
                                1.50425385692907503408e1f, 2.50464946208309415979f, -1.42182922854787788574e-1f,
                                -3.80806407691578277194e-2f, -9.33259480895457427372e-4f};
constant float kNdtriFarP[] = {3.23774891776946035970f, 6.91522889068984211695f, 3.93881025292474443415f,
                               1.33303460815807542389f, 2.01485389549179081538e-1f, 1.23716634817820021358e-2f,
                               3.01581553508235416007e-4f, 2.65806974686737550832e-6f, 6.23974539184983293730e-9f};
constant float kNdtriFarQ[] = {1.0f, 6.02427039364742014255f, 3.67983563856160859403f, 1.37702099489081330271f,
                               2.16236993594496635890e-1f, 1.34204006088543189037e-2f, 3.28014464682127739104e-4f,
                               2.89247864745380683936e-6f, 6.79019408009981274425e-9f};

/// The x below which a standard normal variable is with probability y.
inline float ndtri(float y) {
  if (y == 0) return -INFINITY;
  if (y == 1) return INFINITY;
  if (!(y > 0 && y < 1)) return NAN;
  const float tail = 0.13533528323661269189f;  // exp(-2)
  const bool upper = y > 1 - tail;
  const float p = upper ? 1 - y : y;
  if (p > tail) {
    const float c = p - 0.5f, c2 = c * c;
    const float x = c + c * (c2 * polynomial(c2, kNdtriCenterP) / polynomial(c2, kNdtriCenterQ));
    return x * 2.50662827463100050242f;  // sqrt(2 pi)
  }
  const float x = metal::precise::sqrt(-2 * metal::precise::log(p)), z = 1 / x;
  const float ratio = x < 8 ? polynomial(z, kNdtriTailP) / polynomial(z, kNdtriTailQ)
                            : polynomial(z, kNdtriFarP) / polynomial(z, kNdtriFarQ);
  const float result = x - metal::precise::log(x) / x - z * ratio;
  return upper ? result : -result;
}

// airy_ai: exponential decay on the right; amplitudes of sine and cosine on the left.
constant float kAiryDecayP[] = {3.46538101525629032477e-1f, 1.20075952739645805542e1f, 7.62796053615234516538e1f,
                                1.68089224934630576269e2f,  1.59756391350164413639e2f, 7.05360906840444183113e1f,
                                1.40264691163389668864e1f,  1.0f};
constant float kAiryDecayQ[] = {5.67594532638770212846e-1f, 1.47562562584847203173e1f, 8.45138970141474626562e1f,
                                1.77318088145400459522e2f,  1.64234692871529701831e2f, 7.14778400825575695274e1f,
                                1.40959135607834029598e1f,  1.0f};
constant float kAirySineP[] = {-1.31696323418331795333e-1f, -6.26456544431912369773e-1f, -6.93158036036933542233e-1f,
                               -2.79779981545119124951e-1f, -4.91900132609500318020e-2f, -4.06265923594885404393e-3f,
                               -1.59276496239262096340e-4f, -2.77649108155232920844e-6f, -1.67787698489114633780e-8f};
constant float kAirySineQ[] = {1.33560420706553243746e1f,  3.26825032795224613948e1f,  2.67367040941499554804e1f,
                               9.18707402907259625840f,    1.47529146771666414581f,    1.15687173795188044134e-1f,
                               4.40291641615211203805e-3f, 7.54720348287414296618e-5f, 4.51850092970580378464e-7f};
constant float kAiryCosineP[] = {1.97339932091685679179e-2f, 3.91103029615688277255e-1f, 1.06579897599595591108f,
                                 9.39169229816650230044e-1f, 3.51465656105547619242e-1f, 6.33888919628925490927e-2f,
                                 5.85804113048388458567e-3f, 2.82851600836737019778e-4f, 6.98793669997260967291e-6f,
                                 8.11789239554389293311e-8f, 3.41551784765923618484e-10f};
constant float kAiryCosineQ[] = {9.30892908077441974853f,    1.98352928718312140417e1f,  1.55646628932864612953e1f,
                                 5.47686069422975497931f,    9.54293611618961883998e-1f, 8.64580826352392193095e-2f,
                                 4.12656523824222607191e-3f, 1.01259085116509135510e-4f, 1.17166733214413521882e-6f,
                                 4.91834570062930015649e-9f};
constant float kRootOfOneOverPi = 5.64189583547756286948e-1f;

/// Maclaurin's series, for small x.
inline float airy_ai_series(float x) {
  const float cube = x * x * x;
  float even = 1, odd = x, even_term = 1, odd_term = x;
  for (float k = 1; metal::fabs(even_term / even) > FLT_EPSILON; k += 3) {
    even_term *= cube / ((k + 1) * (k + 2));
    odd_term *= cube / ((k + 2) * (k + 3));
    even += even_term;
    odd += odd_term;
  }
  return 0.355028053887817239260f * even - 0.258819403792806798405f * odd;
}

/// Airy's function of the first kind; as in PyTorch, NaN at infinity.
inline float airy_ai(float x) {
  if (metal::isinf(x) || x != x) return NAN;
  if (x > 103.892f) return 0;
  if (metal::fabs(x) < 2.09f) return airy_ai_series(x);
  const float root = metal::precise::sqrt(metal::fabs(x));
  const float zeta = 2 * metal::fabs(x) * root / 3, z = 1 / zeta, z2 = z * z;
  const float amplitude = kRootOfOneOverPi / metal::precise::sqrt(root);
  if (x > 0) {
    return amplitude / 2 * (polynomial(z, kAiryDecayP) / polynomial(z, kAiryDecayQ)) / metal::precise::exp(zeta);
  }
  const float phase = zeta + 0.25f * M_PI_F;
  return amplitude * (metal::precise::sin(phase) * (1 + z2 * polynomial(z2, kAirySineP) / polynomial(z2, kAirySineQ)) -
                      metal::precise::cos(phase) * (z * polynomial(z2, kAiryCosineP) / polynomial(z2, kAiryCosineQ)));
}

}  // namespace cephes
